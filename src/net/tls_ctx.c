/* Certificates and rules as the library takes them. One SSL_CTX for each certificate of a listener; connections begin
 * with the first, whose ticket keys are then everybody's, and choose by the name that the client asks for. Written
 * on the thread that loads a configuration; afterwards only the references and a worker's last session change. */
#include "net/tls_ctx.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "net/tls_choice.h"
#include "net/tls_kernel.h"
#include "net/tls_lib.h"
#include "net/tls_refusal.h"
#include "net/tls_staple.h"

#define CIPHERS_12                                                                             \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:" \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define CIPHERS_13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS     "X25519:P-256:P-384"

enum { OCSP_BYTES_MAX = 65536, KEY_NAME = 16, KEY_HMAC = TLS_LIB_MAC_KEY, KEY_CIPHER = 32, TICKET_IV = 16 };
_Static_assert(KEY_NAME + KEY_HMAC + KEY_CIPHER == TLS_TICKET_KEY_BYTES, "a ticket key's parts");

struct tls_ctx {
    /* fixed after it was made */
    bool server;
    bool verify, h2, kernel;
    uint32_t handshake_ms;
    SSL_CTX **contexts;
    size_t count;
    struct tls_choice choice;
    unsigned char **staples; /* of each certificate, or NULL */
    int *staple_bytes;
    bool *chosen; /* a name leads to it */
    int64_t *staples_until_s;
    int64_t lists_until_s;
    bool lists_fit;
    unsigned char ticket_keys[TLS_TICKET_KEYS_MAX][TLS_TICKET_KEY_BYTES];
    size_t ticket_key_count;
    char *name; /* the worker's, or NULL */
    char hsts[TLS_HSTS_MAX];
    size_t hsts_n;
    /* shared */
    _Atomic uint32_t refs;
    pthread_mutex_t lock;
    /* under the lock */
    SSL_SESSION *session;
    char refusal[TRANSPORT_REFUSAL_MAX]; /* why its certificate was last not believed */
    size_t refusal_n;
};

/* ---- what went wrong ---- */

/* Nothing that begins as wanted, behind what was read before. */
static bool is_not_there(unsigned long code)
{
    return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

static int refuse(struct tls_why *why, const char *what, const struct tls_file *file)
{
    unsigned long code = ERR_peek_error(); /* the first is the cause of the others */
    const char *reason =
        ERR_GET_LIB(code) == ERR_LIB_SYS ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);

    if (is_not_there(code))
        reason = "there is none in it as PEM; from DER, openssl x509 or openssl crl with -inform DER makes it";

    why->origin = file->origin;
    (void)snprintf(why->text, TLS_WHY_MAX, "%s %s: %s", what, file->name,
                   reason ? reason : "it is not what it should be");
    ERR_clear_error();
    return -ERR_CONFIG;
}

/* ---- what both sides have ---- */

static SSL_CTX *make_context(const SSL_METHOD *method, bool only_tls13)
{
    SSL_CTX *context = SSL_CTX_new(method);
    char groups[] = GROUPS; /* the library's macro takes it as its own */

    if (!context)
        return NULL;
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_read_ahead(context, 0);
    if (SSL_CTX_set_min_proto_version(context, only_tls13 ? TLS1_3_VERSION : TLS1_2_VERSION) == 1 &&
        SSL_CTX_set_cipher_list(context, CIPHERS_12) == 1 && tls_lib_prepare(context, CIPHERS_13) &&
        SSL_CTX_set1_curves_list(context, groups) == 1)
        return context;
    SSL_CTX_free(context);
    return NULL;
}

static BIO *open_file(const struct tls_file *file)
{
    ERR_clear_error();
    return file->bytes.p ? BIO_new_mem_buf(file->bytes.p, (int)file->bytes.n) : NULL;
}

/* A key that needs a password is refused: nobody is there to type it. asked: bool, or NULL. */
static int no_password(char *out, int room, int writing, void *asked)
{
    if (asked)
        *(bool *)asked = true;
    return -1;
}

/* After a loop that reads until there is no more: was that all, or is the rest broken? */
static bool at_end(void)
{
    if (!is_not_there(ERR_peek_last_error()))
        return false;
    ERR_clear_error();
    return true;
}

static bool use_chain(SSL_CTX *context, BIO *in)
{
    X509 *own = PEM_read_bio_X509_AUX(in, NULL, no_password, NULL), *above;
    bool used = own && SSL_CTX_use_certificate(context, own) == 1;

    X509_free(own);
    while (used && (above = PEM_read_bio_X509(in, NULL, no_password, NULL)))
        if (SSL_CTX_add0_chain_cert(context, above) != 1) {
            X509_free(above);
            used = false;
        }
    return used && at_end();
}

enum key_fit { KEY_FITS, KEY_UNREADABLE, KEY_LOCKED, KEY_OF_ANOTHER, KEY_STRANGE };

/* The library itself would take a key of another kind (RSA, EC) than the certificate's. */
static enum key_fit find_fit(SSL_CTX *context, EVP_PKEY *key)
{
    STACK_OF(X509) *above = NULL;

    if (X509_check_private_key(SSL_CTX_get0_certificate(context), key) == 1)
        return SSL_CTX_use_PrivateKey(context, key) == 1 ? KEY_FITS : KEY_UNREADABLE;
    SSL_CTX_get0_chain_certs(context, &above);
    for (int i = 0; i < (int)sk_X509_num(above); i++)
        if (X509_check_private_key(sk_X509_value(above, i), key) == 1)
            return KEY_OF_ANOTHER;
    return KEY_STRANGE;
}

static enum key_fit use_key(SSL_CTX *context, const struct tls_file *file)
{
    bool locked = false;
    BIO *in = open_file(file);
    EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, no_password, &locked) : NULL;
    enum key_fit fit = key ? find_fit(context, key) : locked ? KEY_LOCKED : KEY_UNREADABLE;

    EVP_PKEY_free(key);
    BIO_free(in);
    return fit;
}

static int refuse_key(enum key_fit fit, const struct tls_file *key, const struct tls_file *chain, struct tls_why *why)
{
    static const char begins[] = "PRIVATE KEY-----";

    if (fit == KEY_UNREADABLE && memmem(key->bytes.p, key->bytes.n, begins, sizeof(begins) - 1))
        return refuse(why, "the private key cannot be read from", key);
    why->origin = key->origin;
    if (fit == KEY_UNREADABLE)
        (void)snprintf(why->text, TLS_WHY_MAX, "there is no private key in %s; name the file that has it as \"key\"",
                       key->name);
    else if (fit == KEY_LOCKED)
        (void)snprintf(why->text, TLS_WHY_MAX,
                       "the private key in %s needs a password, which nobody could type; keep one without, readable by "
                       "its owner alone (openssl pkey -in FILE -out NEW)",
                       key->name);
    else
        (void)snprintf(why->text, TLS_WHY_MAX, "the private key in %s does not belong to the %scertificate in %s%s",
                       key->name, fit == KEY_OF_ANOTHER ? "first " : "", chain->name,
                       fit == KEY_OF_ANOTHER ? ", but to one behind it: put that one first" : "");
    ERR_clear_error();
    return -ERR_CONFIG;
}

static int use_certificate(SSL_CTX *context, const struct tls_file *chain, const struct tls_file *key,
                           struct tls_why *why)
{
    const struct tls_file *key_file = key->bytes.p ? key : chain;
    BIO *in = open_file(chain);
    bool used = in && use_chain(context, in);

    BIO_free(in);
    if (!used)
        return refuse(why, "the certificate cannot be read from", chain);
    enum key_fit fit = use_key(context, key_file);
    return fit == KEY_FITS ? 0 : refuse_key(fit, key_file, chain, why);
}

/* Adds the certificates that a file holds to those that are believed. asks: clients are told the names (RFC 8446
 * section 4.2.4). False: it holds none, or there is no memory. */
static bool believe_authorities(SSL_CTX *context, const struct tls_file *file, bool asks)
{
    BIO *in = open_file(file);
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    bool good = in, any = false;
    X509 *one;

    while (good && (one = PEM_read_bio_X509_AUX(in, NULL, no_password, NULL))) {
        good = X509_STORE_add_cert(store, one) == 1 && (!asks || SSL_CTX_add_client_CA(context, one) == 1);
        any = true;
        X509_free(one);
    }
    BIO_free(in);
    return good && any && at_end();
}

/* One of the authorities that clients are told. */
static bool is_by_authority(const SSL_CTX *context, const X509_CRL *list)
{
    const STACK_OF(X509_NAME) *names = SSL_CTX_get_client_CA_list(context);

    for (int i = 0; i < (int)sk_X509_NAME_num(names); i++)
        if (X509_NAME_cmp(sk_X509_NAME_value(names, i), X509_CRL_get_issuer(list)) == 0)
            return true;
    return false;
}

/* The same for lists of revoked certificates. A certificate among them is not believed by that. */
static bool believe_lists(struct tls_ctx *ctx, SSL_CTX *context, const struct tls_file *file)
{
    BIO *in = open_file(file);
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    bool good = in, any = false;
    X509_CRL *one;

    while (good && (one = PEM_read_bio_X509_CRL(in, NULL, no_password, NULL))) {
        good = X509_STORE_add_crl(store, one) == 1;
        any = true;
        ctx->lists_fit |= is_by_authority(context, one);
        const ASN1_TIME *next = X509_CRL_get0_nextUpdate(one);
        if (next && tls_lib_seconds(next) < ctx->lists_until_s)
            ctx->lists_until_s = tls_lib_seconds(next);
        X509_CRL_free(one);
    }
    BIO_free(in);
    return good && any && at_end();
}

/* A client's own certificate is believed by a list alone. Those of the authorities above it need none, but are not
 * believed against one. */
static int on_checked(int good, X509_STORE_CTX *checked)
{
    if (good || X509_STORE_CTX_get_error(checked) != X509_V_ERR_UNABLE_TO_GET_CRL ||
        X509_STORE_CTX_get_error_depth(checked) == 0)
        return good;
    X509_STORE_CTX_set_error(checked, X509_V_OK);
    return 1;
}

static int believe(struct tls_ctx *ctx, SSL_CTX *context, const struct tls_file *ca, const struct tls_file *crl,
                   struct tls_why *why)
{
    if (!believe_authorities(context, ca, ctx->server))
        return refuse(why, "the authorities cannot be read from", ca);
    ctx->lists_fit = !crl->bytes.p;
    if (!crl->bytes.p)
        return 0;
    if (!believe_lists(ctx, context, crl))
        return refuse(why, "the list of revoked certificates cannot be read from", crl);
    X509_STORE_set_flags(SSL_CTX_get_cert_store(context), X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    X509_STORE_set_verify_cb(SSL_CTX_get_cert_store(context), on_checked);
    return 0;
}

static struct tls_ctx *make(bool server, uint32_t handshake_ms)
{
    struct tls_ctx *ctx = calloc(1, sizeof(*ctx)); /* start-up only: and once a reload */

    if (!ctx)
        return NULL;
    ctx->server = server;
    ctx->handshake_ms = handshake_ms;
    ctx->lists_until_s = INT64_MAX;
    ctx->lists_fit = true;
    atomic_init(&ctx->refs, 1);
    pthread_mutex_init(&ctx->lock, NULL);
    return ctx;
}

/* ---- servers: protocols, staples, tickets ---- */

/* RFC 7301 section 3.2: the server's preference; a client that knows none of ours is told so. */
static int on_protocols(SSL *ssl, const unsigned char **out, unsigned char *out_n, const unsigned char *in,
                        unsigned in_n, void *argument)
{
    static const unsigned char ours[] = "\x02h2\x08http/1.1";
    const struct tls_ctx *ctx = argument;
    unsigned skip = ctx->h2 ? 0 : 3;
    unsigned char *chosen;

    int found = SSL_select_next_proto(&chosen, out_n, ours + skip, (unsigned)sizeof(ours) - 1 - skip, in, in_n);
    *out = chosen;
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int on_status(SSL *ssl, void *argument)
{
    const struct tls_ctx *ctx = argument;
    size_t index = 0;

    while (index < ctx->count && !tls_lib_shows(ssl, ctx->contexts[index]))
        index++;
    if (index == ctx->count || !ctx->staples[index] || ctx->staples_until_s[index] <= clock_wall_ns() / 1000000000)
        return SSL_TLSEXT_ERR_NOACK;
    unsigned char *copy = OPENSSL_memdup(ctx->staples[index], (size_t)ctx->staple_bytes[index]);
    if (!copy)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, ctx->staple_bytes[index]);
    return SSL_TLSEXT_ERR_OK;
}

static int use_ticket_key(const unsigned char *key, EVP_CIPHER_CTX *cipher, tls_lib_mac *mac, const unsigned char *iv,
                          int encrypt)
{
    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key + KEY_NAME + KEY_HMAC, iv, encrypt) == 1 &&
           tls_lib_mac_init(mac, key + KEY_NAME);
}

/* The first key makes tickets, all of them open them: 2 asks for a fresh ticket. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, tls_lib_mac *mac,
                     int encrypt)
{
    const struct tls_ctx *ctx = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    size_t i = 0;

    if (encrypt) {
        if (RAND_bytes(iv, TICKET_IV) != 1)
            return -1;
        memcpy(name, ctx->ticket_keys[0], KEY_NAME);
        return use_ticket_key(ctx->ticket_keys[0], cipher, mac, iv, 1) ? 1 : -1;
    }
    while (i < ctx->ticket_key_count && memcmp(ctx->ticket_keys[i], name, KEY_NAME) != 0)
        i++;
    if (i == ctx->ticket_key_count)
        return 0;
    if (!use_ticket_key(ctx->ticket_keys[i], cipher, mac, iv, 0))
        return -1;
    return i == 0 && SSL_version(ssl) < TLS1_3_VERSION ? 1 : 2;
}

static int read_ticket_keys(struct tls_ctx *ctx, const struct tls_file *file, struct tls_why *why)
{
    size_t n = file->bytes.n;

    if (!file->bytes.p) {
        n = TLS_TICKET_KEY_BYTES;
        if (RAND_bytes(ctx->ticket_keys[0], TLS_TICKET_KEY_BYTES) != 1)
            return refuse(why, "there are no random numbers for", &(struct tls_file){"ticket keys"});
    } else if (n > 0 && n <= sizeof(ctx->ticket_keys) && n % TLS_TICKET_KEY_BYTES == 0) {
        memcpy(ctx->ticket_keys, file->bytes.p, n);
    } else {
        why->origin = file->origin;
        (void)snprintf(why->text, TLS_WHY_MAX, "%s must hold 1 to %d keys of %d bytes each", file->name,
                       TLS_TICKET_KEYS_MAX, TLS_TICKET_KEY_BYTES);
        return -ERR_CONFIG;
    }
    ctx->ticket_key_count = n / TLS_TICKET_KEY_BYTES;
    return 0;
}

/* start-up only: an answer lives as long as its certificate. */
static int keep_staple(struct tls_ctx *ctx, size_t index, const struct tls_file *file, struct tls_why *why)
{
    const X509 *certificate = SSL_CTX_get0_certificate(ctx->contexts[index]);

    if (!file->bytes.p)
        return 0;
    const char *wrong = "it is empty, or far too long";
    if (file->bytes.n > 0 && file->bytes.n <= OCSP_BYTES_MAX)
        wrong = tls_staple_check(file->bytes, certificate, &ctx->staples_until_s[index]);
    if (wrong) {
        why->origin = file->origin;
        (void)snprintf(why->text, TLS_WHY_MAX, "the OCSP answer in %s cannot be stapled: %s", file->name, wrong);
        return -ERR_CONFIG;
    }
    ctx->staples[index] = malloc(file->bytes.n);
    if (!ctx->staples[index])
        return -ERR_NO_MEMORY;
    memcpy(ctx->staples[index], file->bytes.p, file->bytes.n);
    ctx->staple_bytes[index] = (int)file->bytes.n;
    return 0;
}

static int set_verify(struct tls_ctx *ctx, SSL_CTX *context, const struct tls_server_options *options,
                      struct tls_why *why)
{
    if (options->verify == TLS_VERIFY_OFF)
        return 0;
    SSL_CTX_set_verify(context,
                       SSL_VERIFY_PEER | (options->verify == TLS_VERIFY_REQUIRED ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                       NULL);
    return believe(ctx, context, &options->ca, &options->crl, why);
}

/* Whom a session was believed by: one that began under other authorities or another list of revoked certificates is not
 * resumed, or a client that was refused since would come in by its ticket. */
static int set_rules(struct tls_choice *choice, const struct tls_server_options *options)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    unsigned char verify = (unsigned char)options->verify;
    EVP_MD_CTX *hash = EVP_MD_CTX_new();

    bool made = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1 && EVP_DigestUpdate(hash, &verify, 1) == 1 &&
                EVP_DigestUpdate(hash, options->ca.bytes.p, options->ca.bytes.n) == 1 &&
                EVP_DigestUpdate(hash, options->crl.bytes.p, options->crl.bytes.n) == 1 &&
                EVP_DigestFinal_ex(hash, digest, &n) == 1 && n == TLS_CHOICE_RULES;
    EVP_MD_CTX_free(hash);
    if (made)
        memcpy(choice->rules, digest, n);
    return made ? 0 : -ERR_NO_MEMORY;
}

static int add_certificate(struct tls_ctx *ctx, const struct tls_server_options *options, size_t index,
                           struct tls_why *why)
{
    const struct tls_certificate *from = &options->certificates[index];
    SSL_CTX *context = ctx->contexts[index] = make_context(TLS_server_method(), options->only_tls13);

    if (!context)
        return -ERR_NO_MEMORY;
    SSL_CTX_set_app_data(context, ctx);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_alpn_select_cb(context, on_protocols, ctx);
    SSL_CTX_set_tlsext_status_cb(context, on_status);
    SSL_CTX_set_tlsext_status_arg(context, ctx);
    tls_lib_set_ticket_callback(context, on_ticket);
    if (ctx->kernel)
        tls_kernel_prepare(context);
    int error = tls_choice_attach(&ctx->choice, context);
    if (!error)
        error = use_certificate(context, &from->chain, &from->key, why);
    if (!error)
        error = keep_staple(ctx, index, &from->ocsp, why);
    if (!error)
        error = set_verify(ctx, context, options, why);
    const X509 *own = SSL_CTX_get0_certificate(context);
    return error ? error : tls_names_add(ctx->choice.names, own, index, tls_lib_kind(own));
}

/* start-up only: three short tables. */
int tls_server_create(const struct tls_server_options *options, struct tls_ctx **ret_ctx, struct tls_why *why)
{
    struct tls_ctx *ctx = make(true, options->handshake_ms);

    if (!ctx)
        return -ERR_NO_MEMORY;
    ASSERT(options->hsts.n <= sizeof(ctx->hsts));
    if (options->hsts.n > 0)
        memcpy(ctx->hsts, options->hsts.p, options->hsts.n);
    ctx->hsts_n = options->hsts.n;
    ctx->choice.strict = options->strict_sni;
    ctx->h2 = options->h2;
    ctx->kernel = options->kernel && tls_kernel_offered();
    ctx->count = options->count;
    ctx->contexts = calloc(options->count, sizeof(*ctx->contexts));
    ctx->staples = calloc(options->count, sizeof(*ctx->staples));
    ctx->chosen = calloc(options->count, sizeof(*ctx->chosen));
    ctx->staple_bytes = calloc(options->count, sizeof(*ctx->staple_bytes));
    ctx->staples_until_s = calloc(options->count, sizeof(*ctx->staples_until_s));
    ctx->choice.contexts = ctx->contexts;
    int error = -ERR_NO_MEMORY;
    if (ctx->contexts && ctx->chosen && ctx->staples && ctx->staple_bytes && ctx->staples_until_s)
        error = tls_names_create(&ctx->choice.names);
    if (!error)
        error = set_rules(&ctx->choice, options);
    if (!error)
        error = read_ticket_keys(ctx, &options->ticket_keys, why);
    for (size_t i = 0; i < options->count && !error; i++)
        error = add_certificate(ctx, options, i, why);
    if (error) {
        tls_ctx_unref(ctx);
        return error;
    }
    tls_names_sort(ctx->choice.names);
    tls_names_mark(ctx->choice.names, ctx->chosen);
    *ret_ctx = ctx;
    return 0;
}

/* ---- clients: whom to believe, sessions ---- */

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    tls_ctx_keep_session(SSL_get_app_data(ssl), session);
    return 1;
}

/* The library's judgement stays as it is. */
static int on_judged(int good, X509_STORE_CTX *checked)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(checked, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_ctx *ctx = SSL_get_app_data(ssl);
    char text[TRANSPORT_REFUSAL_MAX];

    if (good)
        return good;
    size_t n = tls_refusal_tell(checked, ctx->name, text);
    pthread_mutex_lock(&ctx->lock);
    memcpy(ctx->refusal, text, n);
    ctx->refusal_n = n;
    pthread_mutex_unlock(&ctx->lock);
    return good;
}

size_t tls_ctx_refusal(struct tls_ctx *ctx, char *out)
{
    pthread_mutex_lock(&ctx->lock);
    size_t n = ctx->refusal_n;
    memcpy(out, ctx->refusal, n);
    pthread_mutex_unlock(&ctx->lock);
    return n;
}

/* RFC 7301: names with their lengths, the preferred one first. */
static const unsigned char offered[] = "\x02h2\x08http/1.1";
enum { OFFERED_HTTP1 = 3, OFFERED_END = 12 };

static int offer(SSL_CTX *context, const struct tls_client_options *options)
{
    unsigned first = options->h2 ? 0 : OFFERED_HTTP1, end = options->http1 ? OFFERED_END : OFFERED_HTTP1;

    if (first >= end)
        return 0;
    return SSL_CTX_set_alpn_protos(context, offered + first, end - first) == 0 ? 0 : -ERR_NO_MEMORY;
}

/* start-up only: what all workers of a pool share. */
int tls_client_create(const struct tls_client_options *options, struct tls_ctx **ret_ctx, struct tls_why *why)
{
    struct tls_ctx *ctx = make(false, options->handshake_ms);

    if (!ctx)
        return -ERR_NO_MEMORY;
    ctx->verify = options->verify;
    ctx->h2 = options->h2;
    ctx->contexts = calloc(1, sizeof(*ctx->contexts));
    SSL_CTX *context = ctx->contexts ? ctx->contexts[0] = make_context(TLS_client_method(), false) : NULL;
    int error = context ? 0 : -ERR_NO_MEMORY;
    if (!error) {
        ctx->count = 1;
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context, on_session);
    }
    if (!error && options->verify) {
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, on_judged);
        error = believe(ctx, context, &options->ca, &(struct tls_file){""}, why);
    }
    if (!error)
        error = offer(context, options);
    if (!error && options->chain.bytes.p)
        error = use_certificate(context, &options->chain, &options->key, why);
    if (error) {
        tls_ctx_unref(ctx);
        return error;
    }
    *ret_ctx = ctx;
    return 0;
}

/* start-up only: one for each worker. */
int tls_client_for(struct tls_ctx *shared, struct str name, struct tls_ctx **ret_ctx)
{
    struct tls_ctx *ctx = make(false, shared->handshake_ms);

    if (!ctx)
        return -ERR_NO_MEMORY;
    ctx->verify = shared->verify;
    ctx->h2 = shared->h2;
    ctx->contexts = calloc(1, sizeof(*ctx->contexts));
    ctx->name = name.n ? strndup(name.p, name.n) : NULL;
    if (!ctx->contexts || (name.n && !ctx->name)) {
        tls_ctx_unref(ctx);
        return -ERR_NO_MEMORY;
    }
    SSL_CTX_up_ref(shared->contexts[0]);
    ctx->contexts[0] = shared->contexts[0];
    ctx->count = 1;
    *ret_ctx = ctx;
    return 0;
}

void tls_ctx_keep_session(struct tls_ctx *ctx, SSL_SESSION *session)
{
    pthread_mutex_lock(&ctx->lock);
    SSL_SESSION *old = ctx->session;
    ctx->session = session;
    pthread_mutex_unlock(&ctx->lock);
    SSL_SESSION_free(old);
}

static bool begin_client(struct tls_ctx *ctx, SSL *ssl, bool without_h2)
{
    SSL_set_connect_state(ssl);
    if (SSL_set_app_data(ssl, ctx) != 1)
        return false;
    if (without_h2 && ctx->h2 && SSL_set_alpn_protos(ssl, offered + OFFERED_HTTP1, OFFERED_END - OFFERED_HTTP1) != 0)
        return false;
    /* RFC 6066 section 3: an address is no name to ask for, but one to verify. */
    bool address = ctx->name && X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), ctx->name) == 1;
    if (ctx->name && !address && (SSL_set_tlsext_host_name(ssl, ctx->name) != 1 || SSL_set1_host(ssl, ctx->name) != 1))
        return false;
    pthread_mutex_lock(&ctx->lock);
    if (ctx->session)
        SSL_set_session(ssl, ctx->session);
    pthread_mutex_unlock(&ctx->lock);
    ERR_clear_error();
    return true;
}

/* ---- life ---- */

SSL *tls_ctx_open(const struct tls_ctx *ctx, bool without_h2)
{
    SSL *ssl = SSL_new(ctx->contexts[0]);

    if (!ssl)
        return NULL;
    if (ctx->server) {
        SSL_set_accept_state(ssl);
    } else if (!begin_client((struct tls_ctx *)(uintptr_t)ctx, ssl, without_h2)) { /* for its session, under the lock */
        SSL_free(ssl);
        return NULL;
    }
    return ssl;
}

bool tls_ctx_is_server(const struct tls_ctx *ctx)
{
    return ctx->server;
}

bool tls_ctx_kernel(const struct tls_ctx *ctx)
{
    return ctx->kernel;
}

struct str tls_ctx_hsts(const struct tls_ctx *ctx)
{
    return str_slice(ctx->hsts, ctx->hsts_n);
}

uint32_t tls_ctx_handshake_ms(const struct tls_ctx *ctx)
{
    return ctx->handshake_ms;
}

size_t tls_ctx_certificates(const struct tls_ctx *ctx)
{
    return ctx->server ? ctx->count : 0;
}

bool tls_ctx_is_chosen(const struct tls_ctx *ctx, size_t index)
{
    return index == 0 || ctx->chosen[index];
}

int64_t tls_ctx_not_before_s(const struct tls_ctx *ctx, size_t index)
{
    return tls_lib_seconds(X509_get0_notBefore(SSL_CTX_get0_certificate(ctx->contexts[index])));
}

int64_t tls_ctx_not_after_s(const struct tls_ctx *ctx, size_t index)
{
    return tls_lib_seconds(X509_get0_notAfter(SSL_CTX_get0_certificate(ctx->contexts[index])));
}

int64_t tls_ctx_lists_until_s(const struct tls_ctx *ctx)
{
    return ctx->lists_until_s;
}

bool tls_ctx_lists_fit(const struct tls_ctx *ctx)
{
    return ctx->lists_fit;
}

bool tls_ctx_knows_kinds(void)
{
    return TLS_LIB_KINDS;
}

struct tls_ctx *tls_ctx_ref(struct tls_ctx *ctx)
{
    atomic_fetch_add_explicit(&ctx->refs, 1, memory_order_relaxed);
    return ctx;
}

/* start-up only: the other end of what made it, whoever has it last. */
void tls_ctx_unref(struct tls_ctx *ctx)
{
    if (!ctx || atomic_fetch_sub_explicit(&ctx->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; ctx->contexts && i < ctx->count; i++)
        SSL_CTX_free(ctx->contexts[i]);
    for (size_t i = 0; ctx->staples && i < ctx->count; i++)
        free(ctx->staples[i]);
    tls_names_destroy(&ctx->choice.names);
    SSL_SESSION_free(ctx->session);
    OPENSSL_cleanse(ctx->ticket_keys, sizeof(ctx->ticket_keys));
    pthread_mutex_destroy(&ctx->lock);
    free(ctx->contexts);
    free(ctx->staples);
    free(ctx->staple_bytes);
    free(ctx->chosen);
    free(ctx->staples_until_s);
    free(ctx->name);
    free(ctx);
}

int64_t tls_ctx_staple_until_s(const struct tls_ctx *ctx, size_t index)
{
    return ctx->staples[index] ? ctx->staples_until_s[index] : INT64_MAX;
}
