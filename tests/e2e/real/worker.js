// A plain Node.js `http` server: what an application behind the balancer may look like. Its port is the argument.
'use strict';
const http = require('http');
const pattern = Buffer.alloc(1 << 16, '0123456789abcdef');

function sendBig(response, left) {
  while (left > 0) {
    const piece = pattern.subarray(0, Math.min(left, pattern.length));
    left -= piece.length;
    if (!response.write(piece)) {
      response.once('drain', () => sendBig(response, left));
      return;
    }
  }
  response.end();
}

const server = http.createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://worker');
  const big = /^\/big\/(\d+)$/.exec(pathname);
  if (pathname === '/health') {
    response.end('ok');
  } else if (pathname === '/echo') {
    response.writeHead(200, { 'Content-Type': request.headers['content-type'] || 'application/octet-stream' });
    request.pipe(response);
  } else if (pathname === '/count') {
    let bytes = 0;
    request.on('data', (data) => { bytes += data.length; });
    request.on('end', () => response.end(`got ${bytes} bytes`));
  } else if (pathname === '/headers') {
    response.setHeader('Set-Cookie', ['a=1', 'b=2']);
    response.end(JSON.stringify(request.headers));
  } else if (big) {
    response.setHeader('Content-Length', big[1]);
    sendBig(response, Number(big[1]));
  } else if (pathname === '/chunks') {
    response.write('one,');
    setImmediate(() => { response.write('two,'); setImmediate(() => response.end('three')); });
  } else if (pathname === '/empty') {
    response.writeHead(204);
    response.end();
  } else {
    response.writeHead(pathname === '/' ? 200 : 404, { 'Content-Type': 'text/plain' });
    response.end(`node: ${request.method} ${request.url}`);
  }
});
server.listen(Number(process.argv[2]), '127.0.0.1');
