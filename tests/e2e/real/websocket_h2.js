// WebSockets over HTTP/2 (RFC 8441) at a worker: Node's http2, and the frames of RFC 6455 by hand. What is sent comes
// back. Arguments: connect | none (whether extended CONNECT is announced), port, and for TLS the files of the
// certificate and its key; over TLS it speaks HTTP/1.1 too, where a WebSocket is always to be had.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const http2 = require('http2');

const CLOSE = 8;

function frame(opcode, payload) {
  const n = payload.length;
  const head = Buffer.alloc(n < 126 ? 2 : n < 65536 ? 4 : 10);
  head[0] = 0x80 | opcode;
  head[1] = n < 126 ? n : n < 65536 ? 126 : 127;
  if (head.length === 4) head.writeUInt16BE(n, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(n), 2);
  return Buffer.concat([head, payload]);
}

// The first frame of what came, or null while it is not whole: a client masks all of them.
function take(bytes) {
  if (bytes.length < 2) return null;
  const short = bytes[1] & 127;
  const at = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.length < at + 4) return null;
  const n = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  if (bytes.length < at + 4 + n) return null;
  const payload = Buffer.from(bytes.subarray(at + 4, at + 4 + n));
  for (let i = 0; i < n; i++) payload[i] ^= bytes[at + (i & 3)];
  return { opcode: bytes[0] & 15, payload, rest: bytes.subarray(at + 4 + n) };
}

function echo(stream) {
  let pieces = [];
  let waiting = 0;
  let wanted = 0; // a long message is not put together again with each of its pieces
  stream.on('data', (data) => {
    pieces.push(data);
    waiting += data.length;
    if (waiting < wanted) return;
    let bytes = Buffer.concat(pieces);
    for (let one = take(bytes); one; one = take(bytes)) {
      stream.write(frame(one.opcode, one.payload));
      bytes = one.rest;
      if (one.opcode === CLOSE) stream.end();
    }
    pieces = [bytes];
    waiting = bytes.length;
    wanted = bytes.length > 10 && (bytes[1] & 127) === 127 ? 14 + Number(bytes.readBigUInt64BE(2)) : 0;
  });
  stream.on('end', () => stream.end());
}

function serve(stream, headers) {
  stream.on('error', () => {});
  if (headers[':method'] === 'CONNECT' && headers[':protocol'] === 'websocket' && headers[':path'] !== '/no') {
    const asked = ['sec-websocket-key', 'upgrade', 'connection', 'host'].filter((name) => name in headers);
    stream.respond({ ':status': 200, 'x-asked': [headers[':authority'], headers['sec-websocket-version'], ...asked].join() });
    echo(stream);
  } else if (headers[':path'] === '/no') {
    stream.respond({ ':status': 403 });
    stream.end('not here');
  } else {
    stream.respond({ ':status': 200 });
    stream.end('ok');
  }
}

function upgrade(request, socket) {
  const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const accept = crypto.createHash('sha1').update(key).digest('base64');
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
    + `Sec-WebSocket-Accept: ${accept}\r\nx-over: ${request.httpVersion}\r\n\r\n`);
  echo(socket);
}

const [announces, port, chain, key] = process.argv.slice(2);
const options = { settings: { enableConnectProtocol: announces === 'connect' } };
const server = chain
  ? http2.createSecureServer({ ...options, allowHTTP1: true, cert: fs.readFileSync(chain), key: fs.readFileSync(key) })
  : http2.createServer(options);
server.on('stream', serve);
server.on('upgrade', upgrade);
server.on('sessionError', () => {});
server.listen(Number(port), '127.0.0.1');
