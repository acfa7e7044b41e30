/* Called by config_load, last: what is wrong elsewhere is told first. The keeper loads before the server confines
 * itself, so that private keys are read as whoever started it; whoever serves makes its own settings of the bytes. */
#include "control/config_tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "control/config_file.h"

#define SYSTEM_CA "/etc/ssl/certs/ca-certificates.crt"

static struct tls_file file_of(const struct config_file *file)
{
    return (struct tls_file){file->path.p ? file->path.p : "", file->bytes, file};
}

/* ---- files ---- */

static int read_one(struct config *config, struct config_file *file, struct config_errors *errors, const char *what)
{
    char text[128];
    int number;

    if (file->path.n == 0)
        return 0;
    int error = config_file_read(&config->arena, file->path.p, &file->bytes, &number);
    if (error != -ERR_SYSTEM)
        return error;
    config_error_add(errors, &file->place, "%s cannot be read from %s: %s", what, file->path.p,
                     number == EFBIG ? "it is larger than 8 MiB" : strerror_r(number, text, sizeof(text)));
    return 0;
}

static int make_ticket_keys(struct config *config, struct config_file *file)
{
    char *keys = arena_take(&config->arena, TLS_TICKET_KEY_BYTES);

    if (!keys)
        return -ERR_NO_MEMORY;
    if (getrandom(keys, TLS_TICKET_KEY_BYTES, 0) != TLS_TICKET_KEY_BYTES)
        return -ERR_SYSTEM;
    file->bytes = str_slice(keys, TLS_TICKET_KEY_BYTES);
    return 0;
}

static int read_listener(struct config *config, struct config_tls *tls, struct config_errors *errors)
{
    int error = 0;

    for (size_t i = 0; i < tls->certificates.count && !error; i++) {
        struct config_certificate *one = &tls->certificates.items[i];
        error = read_one(config, &one->chain, errors, "the certificate");
        if (!error)
            error = read_one(config, &one->key, errors, "the private key");
        if (!error)
            error = read_one(config, &one->ocsp, errors, "the OCSP answer");
    }
    if (!error)
        error = read_one(config, &tls->client_ca, errors, "the authorities");
    if (!error)
        error = read_one(config, &tls->client_crl, errors, "the list of revoked certificates");
    if (!error && tls->ticket_keys.path.n == 0)
        error = make_ticket_keys(config, &tls->ticket_keys);
    return error ? error : read_one(config, &tls->ticket_keys, errors, "the ticket keys");
}

static int read_pool(struct config *config, struct config_worker_tls *tls, struct config_errors *errors)
{
    struct config_file system = {.path = STR(SYSTEM_CA), .place = tls->place};
    bool own = tls->ca.path.n > 0;
    int error = 0;

    if (own || tls->verify)
        error = read_one(config, own ? &tls->ca : &system, errors, "the authorities");
    if (!own)
        tls->ca.bytes = system.bytes;
    if (!error)
        error = read_one(config, &tls->certificate, errors, "the certificate");
    return error ? error : read_one(config, &tls->key, errors, "the private key");
}

/* ---- settings of them ---- */

static struct str hsts_of(const struct config_hsts *hsts, char out[TLS_HSTS_MAX])
{
    if (!hsts->place.file)
        return STR_NONE;
    int n = snprintf(out, TLS_HSTS_MAX, "max-age=%u%s%s", hsts->max_age_s,
                     hsts->include_subdomains ? "; includeSubDomains" : "", hsts->preload ? "; preload" : "");
    return str_slice(out, (size_t)n);
}

int config_tls_listener(const struct config *config, size_t listener, struct tls_ctx **ret_ctx, struct tls_why *why)
{
    const struct config_tls *tls = &config->listeners.items[listener].tls;
    size_t count = tls->certificates.count;
    struct tls_server_options options = {
        .count = count,
        .strict_sni = tls->strict_sni,
        .h2 = config->http2.enabled,
        .only_tls13 = tls->min_version == CONFIG_TLS_1_3,
        .kernel = tls->kernel == CONFIG_TLS_KERNEL_AUTO,
        .verify = (enum tls_verify)tls->client_verify,
        .ca = file_of(&tls->client_ca),
        .crl = file_of(&tls->client_crl),
        .ticket_keys = file_of(&tls->ticket_keys),
        .handshake_ms = config->timeouts.tls_handshake_ms,
    };
    char hsts[TLS_HSTS_MAX];

    options.hsts = hsts_of(&tls->hsts, hsts);
    *ret_ctx = NULL;
    if (count == 0)
        return 0;
    struct tls_certificate *certificates = calloc(count, sizeof(*certificates)); /* start-up only: and once a reload */
    if (!certificates)
        return -ERR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const struct config_certificate *from = &tls->certificates.items[i];
        certificates[i] = (struct tls_certificate){file_of(&from->chain), file_of(&from->key), file_of(&from->ocsp)};
    }
    options.certificates = certificates;
    int error = tls_server_create(&options, ret_ctx, why);
    free(certificates); /* start-up only: and once a reload */
    return error;
}

int config_tls_pool(const struct config *config, size_t pool, struct tls_ctx **ret_ctx, struct tls_why *why)
{
    const struct config_worker_tls *tls = &config->pools.items[pool].worker_tls;
    enum config_protocol protocol = config->pools.items[pool].protocol;
    struct tls_client_options options = {
        .verify = tls->verify,
        .ca = tls->ca.path.n > 0 ? file_of(&tls->ca) : (struct tls_file){SYSTEM_CA, tls->ca.bytes, NULL},
        .chain = file_of(&tls->certificate),
        .key = file_of(&tls->key),
        .handshake_ms = config->timeouts.tls_handshake_ms,
        .h2 = protocol == CONFIG_H2 || protocol == CONFIG_AUTO,
        .http1 = protocol == CONFIG_AUTO,
    };

    *ret_ctx = NULL;
    return tls->enabled ? tls_client_create(&options, ret_ctx, why) : 0;
}

/* ---- comparing ---- */

static bool same_file(const struct config_file *a, const struct config_file *b)
{
    return (a->bytes.p != NULL) == (b->bytes.p != NULL) && str_eq(a->bytes, b->bytes);
}

static bool same_hsts(const struct config_hsts *one, const struct config_hsts *other)
{
    char mine[TLS_HSTS_MAX], its[TLS_HSTS_MAX];

    return str_eq(hsts_of(one, mine), hsts_of(other, its));
}

bool config_tls_same_listener(const struct config *a, size_t listener_a, const struct config *b, size_t listener_b)
{
    const struct config_tls *one = &a->listeners.items[listener_a].tls, *other = &b->listeners.items[listener_b].tls;
    bool same = one->certificates.count == other->certificates.count && one->strict_sni == other->strict_sni &&
                one->min_version == other->min_version && one->client_verify == other->client_verify &&
                one->kernel == other->kernel && a->http2.enabled == b->http2.enabled &&
                a->timeouts.tls_handshake_ms == b->timeouts.tls_handshake_ms &&
                same_file(&one->client_ca, &other->client_ca) && same_file(&one->client_crl, &other->client_crl) &&
                same_file(&one->ticket_keys, &other->ticket_keys) && same_hsts(&one->hsts, &other->hsts);

    for (size_t i = 0; same && i < one->certificates.count; i++) {
        const struct config_certificate *mine = &one->certificates.items[i], *its = &other->certificates.items[i];
        same = same_file(&mine->chain, &its->chain) && same_file(&mine->key, &its->key) &&
               same_file(&mine->ocsp, &its->ocsp);
    }
    return same;
}

bool config_tls_same_pool(const struct config *a, size_t pool_a, const struct config *b, size_t pool_b)
{
    const struct config_worker_tls *one = &a->pools.items[pool_a].worker_tls,
                                   *other = &b->pools.items[pool_b].worker_tls;

    return one->enabled == other->enabled && one->verify == other->verify && str_eq(one->name, other->name) &&
           a->pools.items[pool_a].protocol == b->pools.items[pool_b].protocol && /* by ALPN */
           a->timeouts.tls_handshake_ms == b->timeouts.tls_handshake_ms && same_file(&one->ca, &other->ca) &&
           same_file(&one->certificate, &other->certificate) && same_file(&one->key, &other->key);
}

void config_tls_keep_tickets(const struct config *from, struct config *to)
{
    for (size_t i = 0; i < to->listeners.count; i++) {
        struct config_listener *listener = &to->listeners.items[i];
        for (size_t k = 0; k < from->listeners.count; k++) {
            const struct config_listener *old = &from->listeners.items[k];
            const struct config_file *keys = &old->tls.ticket_keys;
            if (keys->path.n == 0 && keys->bytes.p && listener->tls.ticket_keys.path.n == 0 &&
                listener->tls.ticket_keys.bytes.p &&
                sock_addr_equal(&old->address.addr.storage, &listener->address.addr.storage))
                memcpy((char *)(uintptr_t)listener->tls.ticket_keys.bytes.p, keys->bytes.p, TLS_TICKET_KEY_BYTES);
        }
    }
}

/* ---- the load ---- */

/* block: of the settings that it was made of. */
static void add_why(const struct tls_why *why, const struct config_place *block, struct config_errors *errors)
{
    const struct config_file *file = why->origin;

    config_error_add(errors, file && file->place.file ? &file->place : block, "%s", why->text);
}

/* refuse: who does when it is not good. */
static void check_times(const struct config_file *file, const struct tls_ctx *ctx, size_t index, const char *refuse,
                        int64_t now_s, struct config_errors *errors)
{
    enum { DAY_S = 86400 };
    time_t from_s = (time_t)tls_ctx_not_before_s(ctx, index);
    int64_t left_s = tls_ctx_not_after_s(ctx, index) - now_s;
    struct tm tm;
    char day[16] = "";

    if (left_s <= 0)
        config_warning_add(errors, &file->place, "the certificate in %s has expired: %s refuse it", file->path.p,
                           refuse);
    else if (left_s < CONFIG_TLS_WARN_DAYS * DAY_S)
        config_warning_add(errors, &file->place, "the certificate in %s expires in %d days", file->path.p,
                           (int)(left_s / DAY_S));
    if (from_s > now_s && gmtime_r(&from_s, &tm) && strftime(day, sizeof(day), "%Y-%m-%d", &tm) > 0)
        config_warning_add(errors, &file->place, "the certificate in %s is not good before %s: %s refuse it until then",
                           file->path.p, day, refuse);
}

static void check_certificate(const struct config_certificate *certificate, const struct tls_ctx *ctx, size_t index,
                              struct config_errors *errors, int64_t now_s)
{
    check_times(&certificate->chain, ctx, index, "clients", now_s, errors);
    if (!tls_ctx_is_chosen(ctx, index))
        config_warning_add(errors, &certificate->chain.place,
                           "no client gets the certificate in %s: each of its DNS names is one before it has, and of "
                           "those with one name the first %s",
                           certificate->chain.path.p,
                           tls_ctx_knows_kinds() ? "of each kind of key is used"
                                                 : "is used, whatever its kind of key (BoringSSL)");
    if (tls_ctx_staple_until_s(ctx, index) <= now_s)
        config_warning_add(errors, &certificate->ocsp.place, "the OCSP answer in %s has run out and is not stapled",
                           certificate->ocsp.path.p);
}

static void check_lists(const struct config_tls *tls, const struct tls_ctx *ctx, struct config_errors *errors,
                        int64_t now_s)
{
    const struct config_file *lists = &tls->client_crl;

    if (tls_ctx_lists_until_s(ctx) <= now_s)
        config_warning_add(errors, &lists->place,
                           "the list of revoked certificates in %s has run out: clients that it is for are refused",
                           lists->path.p);
    if (!tls_ctx_lists_fit(ctx))
        config_warning_add(
            errors, &lists->place,
            "%s has no list of revoked certificates by any authority in %s: all clients whose "
            "certificates these have signed are refused; add the authority's list (whose one is, openssl "
            "crl -noout -issuer tells), or leave \"client_crl\" out",
            lists->path.p, tls->client_ca.path.p);
}

static int load_listener(struct config *config, size_t index, struct config_errors *errors, int64_t now_s)
{
    struct config_tls *tls = &config->listeners.items[index].tls;
    size_t errors_before = errors->error_count;
    struct tls_ctx *ctx = NULL;
    struct tls_why why;

    if (tls->certificates.count == 0)
        return 0;
    if (tls->client_verify != CONFIG_TLS_OFF && tls->client_ca.path.n == 0)
        config_error_add(errors, &tls->place, "\"client_verify\" needs \"client_ca\": whose clients are believed");
    if (tls->client_verify == CONFIG_TLS_OFF && (tls->client_ca.path.n > 0 || tls->client_crl.path.n > 0))
        config_error_add(
            errors, &tls->place,
            "\"client_ca\" and \"client_crl\" without \"client_verify: required\" (or optional): nobody would "
            "be asked for a certificate");
    int error = read_listener(config, tls, errors);
    if (!error && errors->error_count == errors_before) {
        error = config_tls_listener(config, index, &ctx, &why);
        if (error == -ERR_CONFIG)
            add_why(&why, &tls->place, errors);
    }
    for (size_t i = 0; ctx && i < tls_ctx_certificates(ctx); i++)
        check_certificate(&tls->certificates.items[i], ctx, i, errors, now_s);
    if (ctx)
        check_lists(tls, ctx, errors, now_s);
    tls_ctx_unref(ctx);
    return error == -ERR_CONFIG ? 0 : error; /* it was told */
}

static int load_pool(struct config *config, size_t index, struct config_errors *errors, int64_t now_s)
{
    struct config_worker_tls *tls = &config->pools.items[index].worker_tls;
    size_t errors_before = errors->error_count;
    struct tls_ctx *ctx = NULL;
    struct tls_why why;

    if (!tls->enabled)
        return 0;
    int error = read_pool(config, tls, errors);
    if (!error && errors->error_count == errors_before) {
        error = config_tls_pool(config, index, &ctx, &why);
        if (error == -ERR_CONFIG)
            add_why(&why, &tls->place, errors);
    }
    if (ctx && tls->certificate.bytes.p)
        check_times(&tls->certificate, ctx, 0, "workers", now_s, errors);
    tls_ctx_unref(ctx);
    return error == -ERR_CONFIG ? 0 : error; /* it was told */
}

int config_tls_load(struct config *config, struct config_errors *errors, int64_t now_s)
{
    int error = 0;

    for (size_t i = 0; i < config->listeners.count && !error; i++)
        error = load_listener(config, i, errors, now_s);
    for (size_t i = 0; i < config->pools.count && !error; i++)
        error = load_pool(config, i, errors, now_s);
    return error;
}
