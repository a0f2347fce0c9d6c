import Anthropic from '@anthropic-ai/sdk';

export const connect = (options) => new Anthropic({ apiKey: 'sk-ant-client', maxRetries: 0, ...options });

export const cases = {
  message: (client, params) => client.messages.create(params),

  messageStream: async (client, params, { first }) => {
    const seen = [];
    for await (const each of await client.messages.create({ ...params, stream: true })) if (seen.push(each) === 1) first();
    return seen;
  },

  // The stream helper, which puts blocks together and parses arguments.
  messageHelper: async (client, params) => {
    const deltas = [];
    const inputs = [];
    const thoughts = [];
    const stream = client.messages.stream(params);
    stream.on('text', (delta) => deltas.push(delta));
    stream.on('thinking', (delta) => thoughts.push(delta));
    stream.on('inputJson', (_, snapshot) => inputs.push(snapshot));
    return { whole: await stream.finalMessage(), deltas, inputs, thoughts };
  },

  // A loop of its own: calls the tool, sends the result, until the model says something.
  messageTools: async (client, params) => {
    const called = [];
    const weather = {
      type: 'custom',
      name: 'weather',
      description: 'Weather in a city.',
      input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
      parse: (input) => input,
      run: ({ city }) => {
        called.push(city);
        return `sunny in ${city}`;
      },
    };
    const runner = client.beta.messages.toolRunner({ ...params, tools: [weather] });
    const last = await runner.runUntilDone();
    return { content: last.content, called };
  },

  messageAborted: async (client, params, { after }) => {
    const stream = client.messages.stream(params);
    let seen = 0;
    stream.on('text', () => {
      if (++seen === after) stream.abort();
    });
    await stream.done();
    return seen;
  },

  count: (client, params) => client.messages.countTokens(params),

  headers: async (client, params) => {
    const { response, request_id } = await client.messages.create(params).withResponse();
    return { id: response.headers.get('x-weighbridge-id'), request: request_id };
  },
};
