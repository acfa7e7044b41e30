/* The two values by which both ends of an HTTP/1.1 WebSocket handshake show that they mean it (RFC 6455 section 4).
 *
 * For a gateway whose other side speaks HTTP/2, where there are none (RFC 8441). Pure.
 */
#ifndef HTTP_WEBSOCKET_H
#define HTTP_WEBSOCKET_H

#include <stdint.h>

#include "base/str.h"

enum { WEBSOCKET_NONCE_BYTES = 16, WEBSOCKET_KEY_BYTES = 24, WEBSOCKET_ACCEPT_BYTES = 28 };

/* Sec-WebSocket-Key of a nonce. */
void websocket_key(const uint8_t nonce[WEBSOCKET_NONCE_BYTES], char out[WEBSOCKET_KEY_BYTES]);
/* Sec-WebSocket-Accept for a key of at most 64 bytes. */
void websocket_accept(struct str key, char out[WEBSOCKET_ACCEPT_BYTES]);

#endif
