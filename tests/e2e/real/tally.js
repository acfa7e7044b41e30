// Counts what it executes and says it at /tally: requests, and WebSockets, whose frames (under 126 bytes) it echoes.
// It takes either version of HTTP without TLS, with and without a PROXY header before it, as each connection begins.
// An answer tells how it was asked and how long the request's body was, and is as long as its target says (/30000). Its
// port is the argument, and its name.
'use strict';
const crypto = require('crypto');
const http = require('http');
const http2 = require('http2');
const net = require('net');

const port = process.argv[2];
const tally = { requests: 0, tunnels: 0, http1: 0, http2: 0 };
const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n');

function count(request) {
  tally.requests += 1;
  tally[`http${request.httpVersionMajor}`] += 1;
}

function answer(request, response) {
  if (request.url === '/health' || request.url === '/tally') {
    response.end(request.url === '/health' ? 'ok' : JSON.stringify(tally));
    return;
  }
  count(request);
  let bytes = 0;
  request.on('data', (piece) => { bytes += piece.length; });
  request.on('end', () => {
    response.setHeader('x-worker', port);
    response.setHeader('x-spoken', `${request.httpVersion}${request.socket.proxied ? ' proxied' : ''}`);
    response.end(String(bytes).padEnd(Number(request.url.slice(1)) || 0));
  });
}

function echo(peer, first) {
  let waiting = first;
  peer.on('data', (piece) => {
    waiting = Buffer.concat([waiting, piece]);
    while (waiting.length >= 6 && waiting.length >= 6 + (waiting[1] & 127)) {
      const n = waiting[1] & 127;
      const text = Buffer.from(waiting.subarray(6, 6 + n));
      text.forEach((byte, at) => { text[at] = byte ^ waiting[2 + (at % 4)]; });
      peer.write(Buffer.concat([Buffer.from([waiting[0], n]), text]));
      if ((waiting[0] & 15) === 8) {
        peer.end();
      }
      waiting = waiting.subarray(6 + n);
    }
  });
  peer.on('end', () => peer.end());
  peer.on('error', () => {});
}

const one = http.createServer({ keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 }, answer);
one.on('upgrade', (request, socket, first) => {
  count(request);
  tally.tunnels += 1;
  const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Worker: ${port}\r\n` +
    `Sec-WebSocket-Accept: ${crypto.createHash('sha1').update(key).digest('base64')}\r\n\r\n`);
  echo(socket, first);
});
const two = http2.createServer({ settings: { enableConnectProtocol: true } }, answer);
two.on('connect', (request, response) => {
  count(request);
  tally.tunnels += 1;
  response.stream.respond({ ':status': 200, 'x-worker': port });
  echo(response.stream, Buffer.alloc(0));
});
two.on('sessionError', () => {});

// Of the PROXY header in front; -1 while that cannot be told.
function headerBytes(first) {
  if (first.length < 16) {
    return -1;
  }
  if (first.subarray(0, 12).equals(SIGNATURE)) {
    return 16 + first.readUInt16BE(14);
  }
  return first.toString('latin1', 0, 6) === 'PROXY ' ? first.indexOf('\n') + 1 || -1 : 0;
}

net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
  let first = Buffer.alloc(0);
  socket.on('error', () => {});
  socket.on('data', function sniff(piece) {
    first = Buffer.concat([first, piece]);
    const skip = headerBytes(first);
    if (skip < 0 || first.length < skip + 3) {
      return;
    }
    socket.off('data', sniff);
    socket.pause();
    socket.unshift(first.subarray(skip));
    socket.proxied = skip > 0;
    (first.toString('latin1', skip, skip + 3) === 'PRI' ? two : one).emit('connection', socket);
    process.nextTick(() => socket.resume());
  });
}).listen(Number(port), '127.0.0.1', 1024);
