/* OpenSSL takes its memory from libc itself, so that it neither runs out in a scenario nor counts as the balancer's. */
#define OPENSSL_SUPPRESS_DEPRECATED  /* RAND_set_rand_method, which has no successor before OpenSSL 3.1 but a provider \
                                      */
#include "tests/sim/tls.h"

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

enum { RECORD_BYTES = 16384, DAYS = 30 };

#define EPOCH_S INT64_C(1900000000)

struct sim_tls {
    SSL *ssl;
    BIO *in, *out; /* the session's */
    struct sim_bytes words;
    bool ended;
    const char *flaw;
};

static struct rand_gen chance;
static SSL_CTX *context;
static char path[32];
static char host[] = "sim.test"; /* the library's macro takes it without const */

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

static void write_file(const struct tls_files *files)
{
    int fd = memfd_create("certificate and key", MFD_CLOEXEC);
    FILE *file = fdopen(fd, "w");

    ASSERT(file && fchmod(fd, 0600) == 0);
    (void)fprintf(file, "%s%s", files->chain_text, files->key_text);
    ASSERT(fflush(file) == 0); /* it stays open */
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
}

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    SSL_SESSION **newest = SSL_get_app_data(ssl);

    sim_tls_forget(newest);
    *newest = session;
    return 1;
}

static void believe(const struct tls_files *files)
{
    BIO *text = BIO_new_mem_buf(files->chain_text, -1);
    X509 *certificate = PEM_read_bio_X509(text, NULL, NULL, NULL);

    ASSERT(certificate && X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate) == 1);
    X509_free(certificate);
    BIO_free(text);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
}

static void prepare(void)
{
    static struct tls_files files;

    ASSERT(RAND_set_rand_method(&scenario) == 1);
    rand_seed(&chance, 1);
    tls_files_create(&files, "DNS:sim.test", DAYS);
    write_file(&files);
    context = SSL_CTX_new(TLS_client_method());
    ASSERT(context);
    believe(&files);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, keep_session);
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

/* ---- a connection ---- */

struct sim_tls *sim_tls_create(const char *alpn, bool old, SSL_SESSION **session)
{
    struct sim_tls *tls = sim_take(sizeof(*tls));
    unsigned char offer[16];
    int n = snprintf((char *)offer, sizeof(offer), "%c%s", (int)strlen(alpn), alpn);

    tls->ssl = SSL_new(context);
    tls->in = BIO_new(BIO_s_mem());
    tls->out = BIO_new(BIO_s_mem());
    ASSERT(tls->ssl && tls->in && tls->out);
    SSL_set_bio(tls->ssl, tls->in, tls->out);
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
        if (ERR_GET_REASON(error) < SSL_AD_REASON_OFFSET) /* above: an alert has come */
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
