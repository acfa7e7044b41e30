/* What TLS connections go by: certificates, keys, whom to believe. Made of a configuration, immutable afterwards,
 * shared by all threads and kept by reference: a connection holds the one that it began under.
 *
 * OpenSSL 3.0 or BoringSSL; its types stay in net/tls_*. Built with -Dtls=none, both ways to make one fail and say so.
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

/* What a file holds, borrowed while something is made of it, and the name that it is spoken of by. bytes.p NULL: there
 * is no such file. */
struct tls_file {
    const char *name;
    struct str bytes;
    const void *origin; /* the caller's own */
};

/* PEM, but for the last. */
struct tls_certificate {
    struct tls_file chain; /* the certificate, then those that lead to its root */
    struct tls_file key;   /* none: stands in the chain's file */
    struct tls_file ocsp;  /* an answer in DER that is stapled */
};

enum tls_verify { TLS_VERIFY_OFF, TLS_VERIFY_OPTIONAL, TLS_VERIFY_REQUIRED };

struct tls_server_options {
    const struct tls_certificate *certificates; /* the first is for names that no other has (net/tls_names) */
    size_t count;                               /* at least 1 */
    bool strict_sni;                            /* a name that no certificate has ends the handshake */
    bool only_tls13;
    bool h2;     /* offered by ALPN before http/1.1 */
    bool kernel; /* what is sent is left to the kernel, where that and the library can */
    enum tls_verify verify;
    struct tls_file ca; /* whose clients are believed; needed unless verify is off */
    struct tls_file crl;
    struct tls_file ticket_keys; /* TLS_TICKET_KEY_BYTES for each key, the newest first; none: made here */
    uint32_t handshake_ms;
    struct str hsts; /* copied: what answers say (RFC 6797); empty: nothing */
};

struct tls_client_options {
    bool verify;
    struct tls_file ca;    /* needed to verify */
    struct tls_file chain; /* none: no certificate of our own */
    struct tls_file key;
    uint32_t handshake_ms;
    bool h2, http1; /* what ALPN offers; neither: it is not spoken of */
};

enum { TLS_HSTS_MAX = 64, TLS_WHY_MAX = 512, TLS_TICKET_KEY_BYTES = 80, TLS_TICKET_KEYS_MAX = 8 };

/* Why something cannot be made: a sentence, and of which file it speaks. */
struct tls_why {
    char text[TLS_WHY_MAX];
    const void *origin;
};

/* 0, or -ERR_CONFIG with why, or -ERR_NO_MEMORY. */
MUST_CHECK int tls_server_create(const struct tls_server_options *options, struct tls_ctx **ret_ctx,
                                 struct tls_why *ret_why);
MUST_CHECK int tls_client_create(const struct tls_client_options *options, struct tls_ctx **ret_ctx,
                                 struct tls_why *ret_why);
/* For one worker: its name is asked for and verified ("": neither), and its last session is used again. */
MUST_CHECK int tls_client_for(struct tls_ctx *shared, struct str name, struct tls_ctx **ret_ctx);
/* Any thread. */
struct tls_ctx *tls_ctx_ref(struct tls_ctx *ctx);
void tls_ctx_unref(struct tls_ctx *ctx); /* NULL is allowed */

/* Of a server's certificates: when one begins and ends, in seconds since 1970. Of what workers are shown, where there
 * is such a certificate: number 0 of what tls_client_create made. */
size_t tls_ctx_certificates(const struct tls_ctx *ctx);
/* Does a client get it? The first does; another where it has a name that none before it has, or none of its kind of
 * key. */
bool tls_ctx_is_chosen(const struct tls_ctx *ctx, size_t index);
/* Does the library choose by kinds of keys, of those with one name? If not, the first is for all. */
bool tls_ctx_knows_kinds(void);
int64_t tls_ctx_not_before_s(const struct tls_ctx *ctx, size_t index);
int64_t tls_ctx_not_after_s(const struct tls_ctx *ctx, size_t index);
/* When the first of its lists of revoked certificates has run out; INT64_MAX: there is none, or none with an end. */
int64_t tls_ctx_lists_until_s(const struct tls_ctx *ctx);
/* Is one of these lists by an authority that is believed? There are none: true. */
bool tls_ctx_lists_fit(const struct tls_ctx *ctx);
/* Until when its OCSP answer is stapled; INT64_MAX: it has none, or one without an end. */
int64_t tls_ctx_staple_until_s(const struct tls_ctx *ctx, size_t index);

/* For tls_conn. */
struct ssl_st;
struct ssl_session_st;
/* A connection's state, ready to begin, or NULL without memory. without_h2: as in struct conn. */
struct ssl_st *tls_ctx_open(const struct tls_ctx *ctx, bool without_h2);
bool tls_ctx_is_server(const struct tls_ctx *ctx);
bool tls_ctx_kernel(const struct tls_ctx *ctx); /* the kernel is to encrypt, and had it when this was made */
uint32_t tls_ctx_handshake_ms(const struct tls_ctx *ctx);
struct str tls_ctx_hsts(const struct tls_ctx *ctx);
/* Why the worker's certificate was last not believed; as transport.h has it. */
size_t tls_ctx_refusal(struct tls_ctx *ctx, char *out);
/* The worker's newest session; takes the reference over. */
void tls_ctx_keep_session(struct tls_ctx *ctx, struct ssl_session_st *session);

#endif
