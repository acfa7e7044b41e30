// A Node.js gRPC client: calls each kind of method at the port that is its argument, and prints what came of it as JSON.
'use strict';
const grpc = require('@grpc/grpc-js');

const bytes = (value) => value;
const client = new grpc.Client(`127.0.0.1:${process.argv[2]}`, grpc.credentials.createInsecure());
const deadline = (ms) => ({ deadline: Date.now() + ms });
const told = (error, value) => ({ code: error ? error.code : 0, details: error && error.details, value: value && String(value) });

function unary(name, body, options, cancelAfterMs) {
  return new Promise((done) => {
    let trailer;
    const call = client.makeUnaryRequest(`/test.Echo/${name}`, bytes, bytes, Buffer.from(body), new grpc.Metadata(), options,
      (error, value) => setImmediate(() => done({ ...told(error, value), trailer })));
    call.on('status', (status) => { trailer = status.metadata.get('x-trailer')[0]; });
    if (cancelAfterMs) setTimeout(() => call.cancel(), cancelAfterMs);
  });
}

function gather(parts) {
  return new Promise((done) => {
    const call = client.makeClientStreamRequest('/test.Echo/Gather', bytes, bytes, new grpc.Metadata(), deadline(20000),
      (error, value) => done({ code: error ? error.code : 0, bytes: value && value.length }));
    for (const part of parts) call.write(part);
    call.end();
  });
}

function received(call) {
  return new Promise((done) => {
    const parts = [];
    call.on('data', (part) => parts.push(String(part)));
    call.on('error', () => {});
    call.on('status', (status) => done({ code: status.code, parts }));
  });
}

const scatter = (body) => received(client.makeServerStreamRequest('/test.Echo/Scatter', bytes, bytes, Buffer.from(body),
  new grpc.Metadata(), deadline(20000)));

// Each message is sent when the one before has come back: neither side may be held up.
function pingPong(count) {
  const call = client.makeBidiStreamRequest('/test.Echo/Both', bytes, bytes, new grpc.Metadata(), deadline(20000));
  let sent = 1;
  call.on('data', () => {
    if (sent < count) call.write(Buffer.from(`ping ${sent++}`));
    else call.end();
  });
  const all = received(call);
  call.write(Buffer.from('ping 0'));
  return all;
}

function dropped(body) {
  const call = client.makeServerStreamRequest('/test.Echo/Drip', bytes, bytes, Buffer.from(body), new grpc.Metadata(),
    deadline(20000));
  call.on('data', () => call.cancel());
  return received(call);
}

async function run() {
  const results = {
    unary: await unary('Unary', 'hello', deadline(20000)),
    fail: await unary('Fail', '', deadline(20000)),
    none: await unary('Unimplemented', '', deadline(20000)),
    gather: await gather(Array.from({ length: 64 }, () => Buffer.alloc(16384))),
    scatter: await scatter('x'),
    both: await pingPong(50),
    deadline: await unary('Hang', 'deadline', deadline(500)),
    cancelled: await unary('Hang', 'cancelled', deadline(20000), 200),
    dropped: await dropped('dropped'),
  };
  console.log(JSON.stringify(results));
  client.close();
}
run();
