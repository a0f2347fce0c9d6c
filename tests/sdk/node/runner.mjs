// Official clients on Node, unmodified: takes one case a line on standard input, and says on standard output what the
// client gave for it. One process for all cases of a test module, since starting one costs more than a case.
import { createInterface } from 'node:readline';

import * as anthropic from './anthropic.mjs';
import * as openai from './openai.mjs';

const CASES = { anthropic: anthropic.cases, openai: openai.cases };
const MAKE = { anthropic: anthropic.connect, openai: openai.connect };

// What a program learns from an error that a client throws.
function thrown(error) {
  return {
    thrown: error.constructor.name,
    status: error.status ?? null,
    code: error.code ?? null,
    type: error.type ?? null,
    param: error.param ?? null,
    requestID: error.requestID ?? null,
    retryAfter: error.headers?.get?.('retry-after') ?? null,
    message: String(error.message),
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { sdk, name, options, params, announce, ...more } = JSON.parse(line);
  more.first = announce ? () => process.stdout.write('first\n') : () => {};
  let said;
  try {
    said = { got: await CASES[sdk][name](MAKE[sdk](options), params, more) };
  } catch (error) {
    said = thrown(error);
  }
  process.stdout.write(JSON.stringify(said) + '\n');
}
