/* TLS in the kernel (kTLS) for what is sent: once the handshake is over the library gives its key to the socket, and
 * what is sent there as it is leaves encrypted. For net/tls_conn and net/tls_ctx; the library's types stay in
 * net/tls_*.
 *
 * Only by what OpenSSL documents. Where the library has none (BoringSSL, or built without) nothing is ever offered.
 */
#ifndef NET_TLS_KERNEL_H
#define NET_TLS_KERNEL_H

#include <stdbool.h>

struct ssl_st;
struct ssl_ctx_st;

/* Library and kernel have it, now. A process that may load modules makes the kernel load its own by asking. */
bool tls_kernel_offered(void);

/* A server's connections may come to it. */
void tls_kernel_prepare(struct ssl_ctx_st *context);

/* During a server's handshake, as the library flushes: it goes on to make the key that it sends with, or to await the
 * peer's last flight before it does. What it has written must leave before its socket is given to it. */
bool tls_kernel_awaits(const struct ssl_st *ssl);
/* The library writes to this socket itself from now on; everything written before has left. False: the socket cannot
 * have it, and nothing was changed. The descriptor stays the caller's. */
bool tls_kernel_give(struct ssl_st *ssl, int fd);
/* After the handshake: the key went to the kernel. False: the library writes where it reads from, as before. */
bool tls_kernel_taken(struct ssl_st *ssl);

/* The peer has asked that the sending key be changed (RFC 8446 section 4.6.3), which the kernel's cannot: *flag is set
 * from inside the library's reads. */
void tls_kernel_watch_rekey(struct ssl_st *ssl, bool *flag);

#endif
