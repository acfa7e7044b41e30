// One application behind either version of HTTP, by Node's common interface: what it answers must not depend on which.
// Arguments: http1 | https | h2c | h2 | auto, port, and for TLS the files of the certificate and its key.
'use strict';
const fs = require('fs');
const http = require('http');
const http2 = require('http2');
const https = require('https');

function send(response, left) {
  const piece = Buffer.alloc(1 << 16, 'x');
  while (left > 0) {
    const part = piece.subarray(0, Math.min(left, piece.length));
    left -= part.length;
    if (!response.write(part)) {
      response.once('drain', () => send(response, left));
      return;
    }
  }
  response.end();
}

function cut(request, response) {
  if (request.httpVersionMajor === 2) {
    response.stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
  } else if (request.socket.encrypted) {
    request.socket.destroy(); // without TLS's word of an end
  } else {
    request.socket.resetAndDestroy();
  }
}

function answer(request, response) {
  const { pathname } = new URL(request.url, 'http://worker');
  const big = /^\/big\/(\d+)$/.exec(pathname);
  if (pathname === '/echo') {
    response.writeHead(200, { 'content-type': 'application/octet-stream', trailer: 'x-count' });
    let count = 0;
    request.on('data', (data) => { count += data.length; });
    request.on('end', () => {
      response.addTrailers({ 'x-count': String(count), 'x-sent': request.trailers['x-sent'] || 'none' });
      response.end();
    });
    request.pipe(response, { end: false });
  } else if (pathname === '/headers') {
    response.end(JSON.stringify({ version: request.httpVersion, ...request.headers }));
  } else if (big) {
    response.writeHead(200, { 'content-length': big[1] });
    send(response, Number(big[1]));
  } else if (pathname === '/sink') {
    let count = 0;
    request.on('data', (data) => { count += data.length; });
    request.on('end', () => response.end(String(count)));
  } else if (pathname === '/early') {
    response.writeHead(403);
    response.end('no');
  } else if (pathname === '/hints') {
    response.writeEarlyHints({ link: '</a>; rel=preload' });
    response.end('late');
  } else if (pathname === '/cut-head') {
    cut(request, response);
  } else if (pathname === '/cut-body') {
    response.writeHead(200, { 'content-length': '9' });
    response.write('half', () => setImmediate(() => cut(request, response)));
  } else if (pathname === '/hang') {
    request.resume();
  } else if (pathname === '/hang-body') {
    response.writeHead(200);
    response.write('begun');
  } else {
    response.end('ok');
  }
}

const [protocol, port, chain, key] = process.argv.slice(2);
const secret = chain ? { cert: fs.readFileSync(chain), key: fs.readFileSync(key) } : {};
const server = {
  http1: () => http.createServer(answer),
  https: () => https.createServer(secret, answer),
  h2c: () => http2.createServer(answer),
  h2: () => http2.createSecureServer(secret, answer),
  auto: () => http2.createSecureServer({ ...secret, allowHTTP1: true }, answer),
}[protocol]();
server.on('sessionError', () => {});
server.listen(Number(port), '127.0.0.1');
