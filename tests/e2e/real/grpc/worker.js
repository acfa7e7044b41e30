// A Node.js gRPC server. Messages are bytes as they are: no definitions to compile. Its port is the argument; a second
// argument is the name of a service that its health check does not serve; for TLS a third and fourth are the files of the
// certificate and its key.
'use strict';
const fs = require('fs');
const grpc = require('@grpc/grpc-js');

const bytes = (value) => value;
const method = (name, requestStream, responseStream, service = 'test.Echo') => ({
  path: `/${service}/${name}`, requestStream, responseStream,
  requestSerialize: bytes, requestDeserialize: bytes, responseSerialize: bytes, responseDeserialize: bytes,
});
const echo = {
  unary: method('Unary', false, false),
  gather: method('Gather', true, false),
  scatter: method('Scatter', false, true),
  both: method('Both', true, true),
  fail: method('Fail', false, false),
  hang: method('Hang', false, false),
  drip: method('Drip', false, true),
};
const cancelled = [];
const [port, unserved, chain, key] = process.argv.slice(2);
const server = new grpc.Server();
server.addService(echo, {
  unary: (call, done) => {
    const trailer = new grpc.Metadata();
    trailer.set('x-trailer', 'behind');
    done(null, call.request, trailer);
  },
  gather: (call, done) => {
    const parts = [];
    call.on('data', (part) => parts.push(part));
    call.on('end', () => done(null, Buffer.concat(parts)));
  },
  scatter: (call) => {
    for (let i = 0; i < 100; i++) call.write(Buffer.from(`${i}:${call.request}`));
    call.end();
  },
  both: (call) => {
    call.on('data', (part) => call.write(part));
    call.on('end', () => call.end());
  },
  fail: (call, done) => done({ code: grpc.status.FAILED_PRECONDITION, details: 'not like this' }),
  hang: (call) => call.on('cancelled', () => cancelled.push(String(call.request))),
  drip: (call) => {
    call.write(Buffer.from('first'));
    call.on('cancelled', () => cancelled.push(String(call.request)));
  },
});
server.addService({ cancelled: method('Cancelled', false, false, 'test.Told') }, {
  cancelled: (call, done) => done(null, Buffer.from(JSON.stringify(cancelled))),
});
server.addService({ check: method('Check', false, false, 'grpc.health.v1.Health') }, {
  check: (call, done) => {
    const service = call.request.length > 2 ? String(call.request.subarray(2)) : '';
    if (service === 'unknown') done({ code: grpc.status.NOT_FOUND });
    else done(null, Buffer.from([8, service === unserved ? 2 : 1]));
  },
});
const credentials = chain
  ? grpc.ServerCredentials.createSsl(null, [{ cert_chain: fs.readFileSync(chain), private_key: fs.readFileSync(key) }])
  : grpc.ServerCredentials.createInsecure();
server.bindAsync(`127.0.0.1:${port}`, credentials, (error) => {
  if (error) throw error;
});
