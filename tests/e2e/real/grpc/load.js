// A Node.js gRPC client under way all the time: several loops of calls of each kind until its standard input ends. Prints
// how many of each there were, and what was not as it has to be. Arguments: port, authority's certificate (over TLS).
'use strict';
const fs = require('fs');
const grpc = require('@grpc/grpc-js');

const bytes = (value) => value;
const [port, authority] = process.argv.slice(2);
const credentials = authority ? grpc.credentials.createSsl(fs.readFileSync(authority)) : grpc.credentials.createInsecure();
const client = new grpc.Client(`127.0.0.1:${port}`, credentials, { 'grpc.ssl_target_name_override': 'test.example' });
const within = (ms) => ({ deadline: Date.now() + ms });
const none = () => new grpc.Metadata();
const counts = {};
const wrong = [];
let over = false;
process.stdin.on('end', () => { over = true; }).resume();

function unary(name, body, options, begun) {
  return new Promise((done) => {
    const call = client.makeUnaryRequest(`/test.Echo/${name}`, bytes, bytes, Buffer.from(body), none(), options,
      (error, value) => done([error ? error.code : 0, String(value), error && error.details]));
    if (begun) begun(call);
  });
}

function parts(call, onPart) {
  return new Promise((done) => {
    const got = [];
    call.on('data', (part) => { got.push(String(part)); if (onPart) onPart(call); });
    call.on('error', () => {});
    call.on('status', (status) => done([status.code, got.length, status.details]));
  });
}

function pingPong(count) {
  const call = client.makeBidiStreamRequest('/test.Echo/Both', bytes, bytes, none(), within(60000));
  let sent = 1;
  const all = parts(call, () => { if (sent++ < count) call.write(Buffer.from('ping')); else call.end(); });
  call.write(Buffer.from('ping'));
  return all;
}

const stream = (name, onPart) => parts(client.makeServerStreamRequest(`/test.Echo/${name}`, bytes, bytes, Buffer.from('x'),
  none(), within(60000)), onPart);

// Calls that are given up are resets to a server, which bounds how many of them it takes in a while.
const pace = (result) => new Promise((done) => setTimeout(done, 250, result));

// Each kind: what is called, and its code and value or number of parts.
const kinds = {
  unary: [() => unary('Unary', 'hello', within(60000)), 0, 'hello'],
  large: [() => unary('Unary', 'x'.repeat(100000), within(60000)), 0, 'x'.repeat(100000)],
  scatter: [() => stream('Scatter'), 0, 100],
  both: [() => pingPong(30), 0, 30],
  deadline: [() => unary('Hang', 'deadline', within(250)), 4, 'undefined'],
  cancelled: [() => unary('Hang', 'cancelled', within(60000), (call) => setImmediate(() => call.cancel())).then(pace), 1, 'undefined'],
  dropped: [() => stream('Drip', (call) => call.cancel()).then(pace), 1, 1],
};

async function loop(kind) {
  const [ask, code, value] = kinds[kind];
  counts[kind] = 0;
  do {
    const result = await ask();
    counts[kind]++;
    if (result[0] !== code || result[1] !== value) wrong.push([kind, result[0], String(result[1]).slice(0, 50), result[2]]);
    if (counts[kind] === 1) console.log(kind);
  } while (!over);
}

Promise.all(Object.keys(kinds).map(loop)).then(() => {
  console.log(JSON.stringify({ counts, wrong }));
  client.close();
});
