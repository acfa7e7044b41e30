/* Called by config_load, last: what is wrong elsewhere is told first. The keeper loads before it forks and before the
 * server confines itself, so that private keys are read as whoever started it. */
#include "control/config_tls.h"

#include <stdio.h>

static const char *text_of(struct str text)
{
    return text.p ? text.p : "";
}

/* 0, too, when the sentence was added. */
static int told(struct config_errors *errors, const struct config_place *place, int error, const char *why)
{
    if (error != -ERR_CONFIG)
        return error;
    config_error_add(errors, place, "%s", why);
    return 0;
}

static void check_ends(const struct config_tls *tls, struct config_errors *errors, int64_t now_s)
{
    enum { DAY_S = 86400 };

    for (size_t i = 0; i < tls_ctx_certificates(tls->context); i++) {
        const struct config_certificate *certificate = &tls->certificates.items[i];
        int64_t left_s = tls_ctx_not_after_s(tls->context, i) - now_s;
        if (left_s <= 0)
            config_error_add(errors, &certificate->place, "the certificate in %s has expired",
                             text_of(certificate->chain));
        else if (left_s < CONFIG_TLS_WARN_DAYS * DAY_S)
            config_warning_add(errors, &certificate->place, "the certificate in %s expires in %d days",
                               text_of(certificate->chain), (int)(left_s / DAY_S));
    }
}

static int load_listener(const struct config *config, struct config_tls *tls, struct config_errors *errors,
                         struct tls_certificate *certificates, int64_t now_s)
{
    struct tls_server_options options = {
        .certificates = certificates,
        .count = tls->certificates.count,
        .strict_sni = tls->strict_sni,
        .h2 = config->http2.enabled,
        .only_tls13 = tls->min_version == CONFIG_TLS_1_3,
        .verify = (enum tls_verify)tls->client_verify,
        .ca = text_of(tls->client_ca),
        .crl = text_of(tls->client_crl),
        .ticket_keys = text_of(tls->ticket_keys),
        .handshake_ms = config->timeouts.tls_handshake_ms,
    };
    char why[TLS_WHY_MAX];

    if (tls->client_verify != CONFIG_TLS_OFF && tls->client_ca.n == 0) {
        config_error_add(errors, &tls->place, "\"client_verify\" needs \"client_ca\": whose clients are believed");
        return 0;
    }
    for (size_t i = 0; i < tls->certificates.count; i++) {
        const struct config_certificate *from = &tls->certificates.items[i];
        certificates[i] = (struct tls_certificate){text_of(from->chain), text_of(from->key), text_of(from->ocsp)};
    }
    int error = tls_server_create(&options, &tls->context, why);
    if (error)
        return told(errors, &tls->place, error, why);
    check_ends(tls, errors, now_s);
    return 0;
}

static int load_pool(const struct config *config, struct config_pool *pool, struct config_errors *errors)
{
    struct config_worker_tls *tls = &pool->worker_tls;
    struct tls_client_options options = {
        .verify = tls->verify,
        .ca = text_of(tls->ca),
        .chain = text_of(tls->certificate),
        .key = text_of(tls->key),
        .handshake_ms = config->timeouts.tls_handshake_ms,
    };
    char why[TLS_WHY_MAX];

    return told(errors, &tls->place, tls_client_create(&options, &tls->context, why), why);
}

int config_tls_load(struct config *config, struct config_errors *errors, int64_t now_s)
{
    int error = 0;

    for (size_t i = 0; i < config->listeners.count && !error; i++) {
        struct config_tls *tls = &config->listeners.items[i].tls;
        if (tls->certificates.count == 0)
            continue;
        struct tls_certificate *certificates =
            arena_take(&config->arena, tls->certificates.count * sizeof(*certificates));
        error = certificates ? load_listener(config, tls, errors, certificates, now_s) : -ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < config->pools.count && !error; i++)
        if (config->pools.items[i].worker_tls.enabled)
            error = load_pool(config, &config->pools.items[i], errors);
    return error;
}

void config_tls_release(struct config *config)
{
    for (size_t i = 0; i < config->listeners.count; i++)
        tls_ctx_unref(config->listeners.items[i].tls.context);
    for (size_t i = 0; i < config->pools.count; i++)
        tls_ctx_unref(config->pools.items[i].worker_tls.context);
}
