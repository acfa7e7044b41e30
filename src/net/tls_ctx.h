/* What TLS connections go by: certificates, keys, whom to believe. Made while a configuration is loaded, immutable
 * afterwards, shared by all threads and kept by reference: a connection holds the one that it began under.
 *
 * OpenSSL 3.0; its types stay in net/tls_*. Built with -Dtls=none, both ways to make one fail and say so.
 */
#ifndef NET_TLS_CTX_H
#define NET_TLS_CTX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/str.h"

struct tls_ctx;

/* Files in PEM. */
struct tls_certificate {
    const char *chain; /* the certificate, then those that lead to its root */
    const char *key;   /* "": stands in the chain's file */
    const char *ocsp;  /* an answer in DER that is stapled; "": none */
};

enum tls_verify { TLS_VERIFY_OFF, TLS_VERIFY_OPTIONAL, TLS_VERIFY_REQUIRED };

struct tls_server_options {
    const struct tls_certificate *certificates; /* the first is for names that no other has */
    size_t count;                               /* at least 1 */
    bool strict_sni;                            /* a name that no certificate has ends the handshake */
    bool only_tls13;
    bool h2; /* offered by ALPN before http/1.1 */
    enum tls_verify verify;
    const char *ca;          /* whose clients are believed; needed unless verify is off */
    const char *crl;         /* "": none */
    const char *ticket_keys; /* TLS_TICKET_KEY_BYTES for each key, the newest first; "": made here */
    uint32_t handshake_ms;
};

struct tls_client_options {
    bool verify;
    const char *ca;    /* "": what this system believes */
    const char *chain; /* "": no certificate of our own */
    const char *key;
    uint32_t handshake_ms;
};

enum { TLS_WHY_MAX = 512, TLS_TICKET_KEY_BYTES = 80, TLS_TICKET_KEYS_MAX = 8 };

/* 0, or -ERR_CONFIG with a sentence in why, or -ERR_NO_MEMORY. Reads the files: blocks. */
MUST_CHECK int tls_server_create(const struct tls_server_options *options, struct tls_ctx **ret_ctx,
                                 char why[TLS_WHY_MAX]);
MUST_CHECK int tls_client_create(const struct tls_client_options *options, struct tls_ctx **ret_ctx,
                                 char why[TLS_WHY_MAX]);
/* For one worker: its name is asked for and verified ("": neither), and its last session is used again. */
MUST_CHECK int tls_client_for(struct tls_ctx *shared, struct str name, struct tls_ctx **ret_ctx);
/* Any thread. */
struct tls_ctx *tls_ctx_ref(struct tls_ctx *ctx);
void tls_ctx_unref(struct tls_ctx *ctx); /* NULL is allowed */

/* Of a server's certificates: when one ends, in seconds since 1970. */
size_t tls_ctx_certificates(const struct tls_ctx *ctx);
int64_t tls_ctx_not_after_s(const struct tls_ctx *ctx, size_t index);

/* For tls_conn. */
struct ssl_st;
struct ssl_session_st;
/* A connection's state, ready to begin, or NULL without memory. */
struct ssl_st *tls_ctx_open(const struct tls_ctx *ctx);
bool tls_ctx_is_server(const struct tls_ctx *ctx);
uint32_t tls_ctx_handshake_ms(const struct tls_ctx *ctx);
/* The worker's newest session; takes the reference over. */
void tls_ctx_keep_session(struct tls_ctx *ctx, struct ssl_session_st *session);

#endif
