import OpenAI from 'openai';

export const connect = (options) => new OpenAI({ apiKey: 'sk-client-credential', maxRetries: 0, ...options });

async function all(stream, first = () => {}) {
  const seen = [];
  for await (const each of stream) if (seen.push(each) === 1) first();
  return seen;
}

export const cases = {
  chat: (client, params) => client.chat.completions.create(params),

  chatStream: async (client, params, { first }) =>
    all(await client.chat.completions.create({ ...params, stream: true }), first),

  // The stream helper, which puts chunks together and parses arguments.
  chatHelper: async (client, params) => {
    const deltas = [];
    const stream = client.chat.completions.stream(params);
    stream.on('content', (delta) => deltas.push(delta));
    const whole = await stream.finalChatCompletion();
    return { whole, deltas, usage: (await stream.totalUsage()).total_tokens };
  },

  // A loop of its own: calls the function, sends the result, until the model says something.
  chatTools: async (client, params) => {
    const called = [];
    const weather = {
      name: 'weather',
      description: 'Weather in a city.',
      parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
      parse: JSON.parse,
      function: ({ city }) => {
        called.push(city);
        return `sunny in ${city}`;
      },
    };
    const runner = client.chat.completions.runTools({ ...params, tools: [{ type: 'function', function: weather }] });
    return { content: await runner.finalContent(), called, messages: runner.messages.length };
  },

  chatAborted: async (client, params, { after }) => {
    const stream = await client.chat.completions.create({ ...params, stream: true });
    let seen = 0;
    for await (const _ of stream) if (++seen === after) stream.controller.abort();
    return seen;
  },

  headers: async (client, params) => {
    const { response, request_id } = await client.chat.completions.create(params).withResponse();
    return { id: response.headers.get('x-weighbridge-id'), request: request_id };
  },

  response: async (client, params) => {
    const whole = await client.responses.create(params);
    return { whole, text: whole.output_text };
  },

  responseStream: async (client, params) => {
    const kinds = [];
    let text = '';
    const stream = client.responses.stream(params);
    stream.on('event', (event) => kinds.push(event.type));
    stream.on('response.output_text.delta', (event) => (text += event.delta));
    return { whole: await stream.finalResponse(), kinds, text };
  },

  embeddings: (client, params) => client.embeddings.create(params),

  models: async (client) => (await all(client.models.list())).map((each) => each.id),
};
