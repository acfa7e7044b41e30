/* OpenSSL takes its memory from libc itself, so that it neither runs out in a scenario nor counts as the balancer's. */
#define OPENSSL_SUPPRESS_DEPRECATED  /* RAND_set_rand_method, which has no successor before OpenSSL 3.1 but a provider \
                                      */
#include "tests/sim/tls.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/rand.h"
#include "tests/unit/net/tls_files.h"

enum { RECORD_BYTES = 16384, DAYS = 30, TICKET_NAME = 16, TICKET_KEY = 32 };

#define EPOCH_S INT64_C(1900000000)

struct sim_tls {
    SSL *ssl;
    BIO *in, *out; /* the session's */
    struct sim_bytes words;
    bool ended;
    int alert;
    const char *flaw;
    const struct plan_worker_tls *plan; /* of a worker; NULL: a client's */
    uint32_t worker;
    bool h2;
    enum plan_shown shown;
};

static struct rand_gen chance;
static SSL_CTX *context, *serving; /* of clients, of workers */
static char path[32], believed_path[32];
static char host[] = "sim.test"; /* the library's macro takes it without const */

/* What workers show, and whether who signed it (each itself, under this name) is believed. */
static struct {
    const char *names, *signer;
    int days;
    bool believed;
    int alert;
    X509 *certificate;
    EVP_PKEY *key;
} shows[SHOWN_KINDS] = {
    [SHOWN_RIGHT] = {"DNS:sim.test", "right", DAYS, true, 0, NULL, NULL},
    [SHOWN_OTHER_NAME] = {"DNS:other.test,DNS:*.sim.test", "other", DAYS, true, SSL_AD_BAD_CERTIFICATE, NULL, NULL},
    [SHOWN_STRANGER] = {"DNS:sim.test", "right", DAYS, false, SSL_AD_UNKNOWN_CA, NULL, NULL},
    [SHOWN_RUN_OUT] = {"DNS:sim.test", "run out", 0, true, SSL_AD_CERTIFICATE_EXPIRED, NULL, NULL},
};

/* ---- what the library sees of the world ---- */

/* Takes the place of libc's in the library too. Jumps of the wall clock are for the balancer alone: a certificate that
 * is not good yet is no fault of it. */
__attribute__((visibility("default"))) time_t time(time_t *ret)
{
    const struct io_sim_net *net = sim_net_current();
    time_t now = EPOCH_S + (net ? io_sim_now_ns(net) / 1000000000 : 0);

    if (ret)
        *ret = now;
    return now;
}

static int draw(unsigned char *out, int n)
{
    for (int i = 0; i < n; i++)
        out[i] = (unsigned char)rand_below(&chance, 256);
    return 1;
}

static int is_seeded(void)
{
    return 1;
}

/* The balancer's own, for the keys of its tickets. */
ssize_t __wrap_getrandom(void *out, size_t n, unsigned flags);
ssize_t __wrap_getrandom(void *out, size_t n, unsigned flags)
{
    draw(out, (int)n);
    return (ssize_t)n;
}

static const RAND_METHOD scenario = {.bytes = draw, .pseudorand = draw, .status = is_seeded};

/* ---- once in a process ---- */

/* It stays open. */
static FILE *make_file(char out[32])
{
    int fd = memfd_create("certificates", MFD_CLOEXEC);
    FILE *file = fdopen(fd, "w");

    ASSERT(file && fchmod(fd, 0600) == 0);
    (void)snprintf(out, 32, "/proc/self/fd/%d", fd);
    return file;
}

static X509 *read_certificate(const struct tls_files *files)
{
    BIO *text = BIO_new_mem_buf(files->chain_text, -1);
    X509 *certificate = PEM_read_bio_X509(text, NULL, NULL, NULL);

    ASSERT(certificate);
    BIO_free(text);
    return certificate;
}

static EVP_PKEY *read_key(const struct tls_files *files)
{
    BIO *text = BIO_new_mem_buf(files->key_text, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(text, NULL, NULL, NULL);

    ASSERT(key);
    BIO_free(text);
    return key;
}

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    SSL_SESSION **newest = SSL_get_app_data(ssl);

    sim_tls_forget(newest);
    *newest = session;
    return 1;
}

static void rename_signer(X509 *certificate, EVP_PKEY *key, const char *name)
{
    X509_NAME *subject = X509_get_subject_name(certificate);

    ASSERT(X509_NAME_add_entry_by_txt(subject, "OU", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0) == 1 &&
           X509_set_issuer_name(certificate, subject) == 1 && X509_sign(certificate, key, EVP_sha256()) > 0);
}

static void believe(const struct tls_files *files)
{
    X509 *certificate = read_certificate(files);

    ASSERT(X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate) == 1);
    X509_free(certificate);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
}

static void prepare_clients(void)
{
    static struct tls_files files;

    tls_files_create(&files, "DNS:sim.test", DAYS);
    FILE *file = make_file(path);
    (void)fprintf(file, "%s%s", files.chain_text, files.key_text);
    ASSERT(fflush(file) == 0);
    context = SSL_CTX_new(TLS_client_method());
    ASSERT(context);
    believe(&files);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, keep_session);
}

static int on_name(SSL *ssl, int *alert, void *argument);
static int on_protocols(SSL *ssl, const unsigned char **out, unsigned char *out_n, const unsigned char *in,
                        unsigned in_n, void *argument);
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                     int encrypt);

static void prepare_workers(void)
{
    static struct tls_files files;
    FILE *file = make_file(believed_path);

    for (int i = 0; i < SHOWN_KINDS; i++) {
        tls_files_create(&files, shows[i].names, shows[i].days);
        shows[i].certificate = read_certificate(&files);
        shows[i].key = read_key(&files);
        rename_signer(shows[i].certificate, shows[i].key, shows[i].signer);
        if (shows[i].believed)
            ASSERT(PEM_write_X509(file, shows[i].certificate) == 1);
    }
    ASSERT(fflush(file) == 0);
    serving = SSL_CTX_new(TLS_server_method());
    ASSERT(serving);
    SSL_CTX_set_session_cache_mode(serving, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_tlsext_servername_callback(serving, on_name);
    SSL_CTX_set_alpn_select_cb(serving, on_protocols, NULL);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(serving, on_ticket);
}

static void prepare(void)
{
    ASSERT(RAND_set_rand_method(&scenario) == 1);
    rand_seed(&chance, 1);
    prepare_clients();
    prepare_workers();
}

void sim_tls_seed(uint64_t seed)
{
    if (context == NULL)
        prepare();
    rand_seed(&chance, seed);
}

const char *sim_tls_path(void)
{
    return path;
}

const char *sim_tls_believed_path(void)
{
    return believed_path;
}

/* ---- what workers look at ---- */

static int on_name(SSL *ssl, int *alert, void *argument)
{
    struct sim_tls *tls = SSL_get_app_data(ssl);
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    if (name == NULL || strcmp(name, host) != 0)
        tls->flaw = "another name is asked for";
    return SSL_TLSEXT_ERR_OK;
}

static int on_protocols(SSL *ssl, const unsigned char **out, unsigned char *out_n, const unsigned char *in,
                        unsigned in_n, void *argument)
{
    static const unsigned char both[] = "\x02h2\x08http/1.1";
    const struct sim_tls *tls = SSL_get_app_data(ssl);
    unsigned skip = tls->h2 ? 0 : 3;
    unsigned char *chosen;

    if (tls->plan->mute && !tls->h2)
        return SSL_TLSEXT_ERR_NOACK;
    int found = SSL_select_next_proto(&chosen, out_n, both + skip, (unsigned)sizeof(both) - 1 - skip, in, in_n);
    *out = chosen;
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool use_ticket_key(uint32_t worker, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, const unsigned char *iv,
                           int encrypt)
{
    unsigned char key[TICKET_KEY];
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key, sizeof(key)),
                               OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_END};

    memset(key, (int)worker + 1, sizeof(key));
    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key, iv, encrypt) == 1 &&
           EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

/* Each worker has a key of its own, and knows whose tickets the others' are. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                     int encrypt)
{
    struct sim_tls *tls = SSL_get_app_data(ssl);
    char own[2 * TICKET_NAME];

    (void)snprintf(own, sizeof(own), "of sim worker %2u", tls->worker);
    if (encrypt && draw(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1)
        memcpy(name, own, TICKET_NAME);
    else if (memcmp(name, own, TICKET_NAME) != 0)
        tls->flaw = "another worker's session is to be taken up";
    if (!encrypt && (tls->flaw != NULL || !tls->plan->resumes || tls->shown != SHOWN_RIGHT))
        return 0;
    if (!use_ticket_key(tls->worker, cipher, mac, iv, encrypt))
        return -1;
    return encrypt || tls->plan->tickets == 0 ? 1 : 2;
}

/* ---- a connection ---- */

static struct sim_tls *create(SSL_CTX *from)
{
    struct sim_tls *tls = sim_take(sizeof(*tls));

    tls->ssl = SSL_new(from);
    tls->in = BIO_new(BIO_s_mem());
    tls->out = BIO_new(BIO_s_mem());
    ASSERT(tls->ssl && tls->in && tls->out);
    SSL_set_bio(tls->ssl, tls->in, tls->out);
    return tls;
}

struct sim_tls *sim_tls_create(const char *alpn, bool old, SSL_SESSION **session)
{
    struct sim_tls *tls = create(context);
    unsigned char offer[16];
    int n = snprintf((char *)offer, sizeof(offer), "%c%s", (int)strlen(alpn), alpn);

    SSL_set_connect_state(tls->ssl);
    SSL_set_app_data(tls->ssl, session);
    ASSERT(SSL_set_alpn_protos(tls->ssl, offer, (unsigned)n) == 0 && SSL_set1_host(tls->ssl, host) == 1 &&
           SSL_set_tlsext_host_name(tls->ssl, host) == 1);
    if (old)
        ASSERT(SSL_set_max_proto_version(tls->ssl, TLS1_2_VERSION) == 1);
    if (*session != NULL)
        ASSERT(SSL_set_session(tls->ssl, *session) == 1);
    return tls;
}

struct sim_tls *sim_tls_accept(const struct plan_worker_tls *plan, uint32_t worker, bool h2, enum plan_shown shown)
{
    struct sim_tls *tls = create(serving);

    tls->plan = plan;
    tls->worker = worker;
    tls->h2 = h2;
    tls->shown = shown;
    SSL_set_app_data(tls->ssl, tls);
    SSL_set_accept_state(tls->ssl);
    ASSERT(SSL_use_certificate(tls->ssl, shows[shown].certificate) == 1 &&
           SSL_use_PrivateKey(tls->ssl, shows[shown].key) == 1 && SSL_set_num_tickets(tls->ssl, plan->tickets) == 1);
    if (plan->old)
        ASSERT(SSL_set_max_proto_version(tls->ssl, TLS1_2_VERSION) == 1);
    return tls;
}

void sim_tls_destroy(struct sim_tls **tls)
{
    struct sim_tls *self = *tls;

    if (self == NULL)
        return;
    SSL_set_shutdown(self->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* its session may be taken up again */
    SSL_free(self->ssl);
    sim_bytes_free(&self->words);
    free(self);
    *tls = NULL;
}

void sim_tls_forget(SSL_SESSION **session)
{
    SSL_SESSION_free(*session);
    *session = NULL;
}

static void note_end(struct sim_tls *tls, int result)
{
    unsigned long error = ERR_peek_last_error();

    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ: return;
    case SSL_ERROR_ZERO_RETURN: tls->ended = true; return;
    default:
        if (ERR_GET_REASON(error) >= SSL_AD_REASON_OFFSET)
            tls->alert = ERR_GET_REASON(error) - SSL_AD_REASON_OFFSET;
        else
            tls->flaw = ERR_reason_error_string(error) ? ERR_reason_error_string(error) : "an error without reason";
    }
}

static void take_out(struct sim_tls *tls, struct sim_bytes *out)
{
    char bytes[RECORD_BYTES];
    int n;

    while ((n = BIO_read(tls->out, bytes, sizeof(bytes))) > 0)
        sim_bytes_append(out, bytes, (size_t)n);
}

/* As far as it goes without more from the other side. */
static void go_on(struct sim_tls *tls, struct sim_bytes *out)
{
    char bytes[RECORD_BYTES];
    int n;

    ERR_clear_error();
    while ((n = SSL_read(tls->ssl, bytes, sizeof(bytes))) > 0)
        sim_bytes_append(&tls->words, bytes, (size_t)n);
    note_end(tls, n);
    take_out(tls, out);
}

void sim_tls_begin(struct sim_tls *tls, struct sim_bytes *out)
{
    go_on(tls, out);
}

void sim_tls_receive(struct sim_tls *tls, struct str bytes, struct sim_bytes *out)
{
    ASSERT(BIO_write(tls->in, bytes.p, (int)bytes.n) == (int)bytes.n);
    go_on(tls, out);
}

void sim_tls_seal(struct sim_tls *tls, struct sim_bytes *words, size_t record, struct sim_bytes *out)
{
    size_t most = record > 0 && record < RECORD_BYTES ? record : RECORD_BYTES;

    ERR_clear_error();
    while (words->n > 0) {
        size_t some = words->n < most ? words->n : most;
        (void)SSL_write(tls->ssl, sim_bytes_all(words).p, (int)some); /* fails when an alert has come: it is lost */
        sim_bytes_drop(words, some);
    }
    take_out(tls, out);
}

void sim_tls_renew(struct sim_tls *tls, bool keys, struct sim_bytes *out)
{
    if (SSL_version(tls->ssl) < TLS1_3_VERSION)
        return;
    ERR_clear_error();
    if ((keys ? SSL_key_update(tls->ssl, SSL_KEY_UPDATE_REQUESTED) : SSL_new_session_ticket(tls->ssl)) == 1)
        (void)SSL_do_handshake(tls->ssl);
    take_out(tls, out);
}

void sim_tls_end(struct sim_tls *tls, struct sim_bytes *out)
{
    ERR_clear_error();
    SSL_shutdown(tls->ssl);
    take_out(tls, out);
}

bool sim_tls_is_ready(const struct sim_tls *tls)
{
    return SSL_is_init_finished(tls->ssl);
}

struct sim_bytes *sim_tls_words(struct sim_tls *tls)
{
    return &tls->words;
}

bool sim_tls_has_ended(const struct sim_tls *tls)
{
    return tls->ended;
}

const char *sim_tls_flaw(const struct sim_tls *tls)
{
    return tls->flaw;
}

int sim_tls_alert(const struct sim_tls *tls)
{
    return tls->alert;
}

int sim_tls_alert_for(enum plan_shown shown)
{
    return shows[shown].alert;
}

bool sim_tls_is_h2(const struct sim_tls *tls)
{
    const unsigned char *name;
    unsigned n;

    SSL_get0_alpn_selected(tls->ssl, &name, &n);
    return n == 2 && memcmp(name, "h2", 2) == 0;
}
