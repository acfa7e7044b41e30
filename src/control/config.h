/* One whole configuration: checked, immutable, and in memory of its own.
 *
 * Read from a file, from text or from the built-in layout, with flags laid over it. A configuration either loads whole
 * or not at all: nothing starts half-configured. What each setting means stands in directive.def; units end the names
 * here. All texts end with a NUL that their length does not count.
 *
 * Loading may block (files, name look-ups) and is for start-up and the control thread. A loaded configuration may be
 * read by any thread.
 */
#ifndef CONTROL_CONFIG_H
#define CONTROL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/region.h"
#include "base/sink.h"
#include "base/str.h"
#include "control/config_error.h"
#include "io/sock.h"
#include "net/tls_ctx.h"

/* As many as directive.def allows. */
enum { CONFIG_LISTENERS_MAX = 256 };

enum config_balance { CONFIG_BALANCE_ROUND_ROBIN };
enum config_health_type { CONFIG_HEALTH_HTTP, CONFIG_HEALTH_GRPC };
enum config_protocol { CONFIG_HTTP1, CONFIG_H2C, CONFIG_H2, CONFIG_AUTO };                /* as worker_protocol */
enum config_upgrade { CONFIG_UPGRADE_OFF, CONFIG_UPGRADE_WEBSOCKET, CONFIG_UPGRADE_ANY }; /* as rewrite_upgrade */
enum config_tls_version { CONFIG_TLS_1_2, CONFIG_TLS_1_3 };
enum config_tls_kernel { CONFIG_TLS_KERNEL_OFF, CONFIG_TLS_KERNEL_AUTO };
enum config_tls_verify { CONFIG_TLS_OFF, CONFIG_TLS_OPTIONAL, CONFIG_TLS_REQUIRED };          /* as tls_verify */
enum config_send_proxy { CONFIG_SEND_PROXY_OFF, CONFIG_SEND_PROXY_V1, CONFIG_SEND_PROXY_V2 }; /* as telling_version */
enum config_redirect_status { CONFIG_REDIRECT_301, CONFIG_REDIRECT_302, CONFIG_REDIRECT_307, CONFIG_REDIRECT_308 };
enum config_others { CONFIG_OTHERS_REFUSE, CONFIG_OTHERS_PLAIN };
enum config_tracing_incoming { CONFIG_TRACING_CONTINUE, CONFIG_TRACING_RESTART };
enum config_sandbox { CONFIG_SANDBOX_AUTO, CONFIG_SANDBOX_OFF };

/* The shape of every list below: items in the order of the file. */
struct config_array {
    void *items;
    size_t count;
};

struct config_address {
    struct str text;       /* as written */
    struct str host;       /* without brackets; empty for a Unix socket */
    struct str path;       /* of a Unix socket, else empty */
    struct str inherited;  /* number or name of a socket that whoever started us has opened, else empty */
    uint16_t port;         /* 0 for a Unix or an inherited socket */
    struct sock_addr addr; /* inherited: only to tell it from others */
};

/* A file that a setting names, read whole when the configuration is loaded. */
struct config_file {
    struct str path;           /* first; empty: none */
    struct str bytes;          /* p NULL: none, or not read */
    struct config_place place; /* where it is named */
};

struct config_status_range {
    uint16_t min;
    uint16_t max;
};

struct config_network {
    uint8_t bytes[16]; /* network order; 4 of them for IPv4 */
    uint8_t bits;      /* of the prefix */
    bool v6;
    bool local; /* none of an address: Unix sockets */
};

struct config_networks {
    struct config_network *items;
    size_t count;
};

/* Blocks begin with their place. */

struct config_certificate {
    struct config_place place;
    struct config_file chain, key, ocsp; /* key and ocsp may be none */
};

struct config_certificates {
    struct config_certificate *items;
    size_t count;
};

struct config_hsts {
    struct config_place place; /* file NULL: no such block, and answers say nothing */
    uint32_t max_age_s;
    bool include_subdomains, preload;
};

struct config_tls {
    struct config_place place;
    struct config_certificates certificates; /* none: plain HTTP */
    bool strict_sni;
    enum config_tls_version min_version;
    enum config_tls_verify client_verify;
    struct config_file client_ca, client_crl, ticket_keys;
    enum config_tls_kernel kernel;
    struct config_hsts hsts;
};

struct config_proxy_protocol {
    struct config_place place;
    struct config_networks from; /* none: the header is not spoken */
    enum config_others others;
    uint32_t timeout_ms;
};

struct config_listener {
    struct config_place place;
    struct config_address address;
    bool dual_stack;
    struct str mode, owner, group; /* of a Unix socket's file; empty: as it is made */
    struct config_tls tls;
    struct config_proxy_protocol proxy_protocol;
};

struct config_listeners {
    struct config_listener *items;
    size_t count;
};

struct config_worker {
    struct config_place place;
    struct config_address address;
    struct str name; /* given, or the id */
    bool named;      /* it was given */
    struct str id;   /* for metrics: [A-Za-z0-9_], one of a kind in the configuration */
    uint32_t weight;
    uint32_t weight_change; /* instead of it, by control/overlay; 0: none */
};

struct config_workers {
    struct config_worker *items;
    size_t count;
};

struct config_health {
    struct config_place place;
    struct str path;
    enum config_health_type type;
    struct str service;
    uint32_t interval_ms;
    uint32_t interval_doubt_ms; /* <= interval_ms */
    uint32_t timeout_ms;
    uint32_t rise;
    uint32_t fall;
    uint32_t jitter_percent;
    struct config_status_range expect;
};

struct config_worker_tls {
    struct config_place place;
    bool enabled;
    bool verify;
    struct config_file ca, certificate, key;
    struct str name; /* empty: the address' host */
};

struct config_pool {
    struct config_place place;
    struct str name;
    enum config_balance balance;
    enum config_protocol protocol;
    struct config_workers workers;
    struct config_worker_tls worker_tls;
    enum config_send_proxy send_proxy;
    struct config_health health;
};

struct config_pools {
    struct config_pool *items;
    size_t count;
};

struct config_redirect {
    struct config_place place;
    struct str to; /* "https" or a URL; empty: none */
    enum config_redirect_status status;
    uint32_t port;
};

struct config_route {
    struct config_place place;
    struct str host; /* lower case; "" any; `*.example.com` every name below */
    struct str path; /* begins with / */
    struct str pool_name;
    size_t pool; /* index in pools; of a redirect, their count */
    bool server_timing;
    struct config_redirect redirect; /* instead of a pool */
};

struct config_routes {
    struct config_route *items;
    size_t count;
};

struct config_metrics {
    struct config_place place;
    bool enabled;
    struct str path;
};

/* What a log's path means. */
struct config_log_to {
    struct str path; /* as written */
    enum sink_kind kind;
    bool stream;
    struct sock_addr addr; /* not of a file */
};

struct config_access_log {
    struct config_place place;
    struct str path; /* as config_log.h has it */
    struct config_log_to to;
    struct str format; /* text, json, or a template */
    uint32_t sample_percent;
};

struct config_log {
    struct config_place place;
    struct str path; /* as config_log.h has it; "-" is standard error */
    struct config_log_to to;
    enum log_level level;
    enum log_format format;
};

struct config_syslog {
    struct config_place place;
    uint32_t facility;             /* which of the words */
    struct str app_name, hostname; /* hostname may be empty: the machine's */
    uint32_t enterprise;           /* 0: no structured data */
};

struct config_limits {
    struct config_place place;
    uint64_t header_bytes;
    uint64_t target_bytes;
    uint64_t body_bytes; /* 0: unlimited */
    uint32_t headers;
    uint32_t connections; /* 0: auto */
    uint32_t tls_handshakes;
    uint32_t tries; /* the first included */
    uint32_t idle_per_worker;
    uint32_t warm_per_worker;
    uint32_t connections_per_client; /* 0: off */
    uint64_t min_rate;               /* bytes a second; 0: off */
};

struct config_timeouts {
    struct config_place place;
    uint32_t connect_ms;
    uint32_t tls_handshake_ms;
    uint32_t request_head_ms;
    uint32_t request_body_ms;
    uint32_t response_head_ms;
    uint32_t response_idle_ms;
    uint32_t client_idle_ms;
    uint32_t client_stall_ms;
    uint32_t worker_idle_ms;
    uint32_t drain_ms;
    uint32_t retire_ms;
    uint32_t tunnel_idle_ms;
    uint32_t tunnel_drain_ms;
    uint32_t half_closed_ms;
};

struct config_admin {
    struct config_place place; /* file NULL: no such block, and no API */
    struct config_address address;
    struct str token; /* empty: none is asked for */
    bool write;
};

struct config_tracing {
    struct config_place place;       /* file NULL: no such block, and no tracing */
    struct config_address collector; /* addr.len 0: none */
    struct str path, service;
    uint32_t ratio_percent;
    enum config_tracing_incoming incoming;
};

struct config_reload {
    struct config_place place;
    uint32_t watch_ms; /* 0: off */
    uint32_t max_failed_percent;
};

struct config_http2 {
    struct config_place place;
    bool enabled;
    uint32_t streams;
    uint32_t total_streams; /* 0: auto */
    uint32_t worker_streams;
    uint32_t resets, control_frames, empty_frames;
};

struct config_forwarded {
    struct config_place place;
    bool via;
    enum config_upgrade upgrade;
    bool x_forwarded;
    bool forwarded;
    bool request_id;
    struct str client_subject; /* a field's name; empty: none */
    struct config_networks trusted;
};

struct config {
    struct config_place place; /* its first file */
    struct config_listeners listeners;
    struct config_pools pools;
    struct config_routes routes; /* never empty: with one pool and no routes, the one that leads there */
    struct config_metrics metrics;
    struct config_access_log access_log;
    struct config_log log;
    struct config_syslog syslog;
    struct config_limits limits;
    struct config_timeouts timeouts;
    struct config_http2 http2;
    struct config_reload reload;
    struct config_forwarded forwarded;
    struct config_admin admin;
    struct config_tracing tracing;
    struct str user, group; /* empty: as started, the user's own */
    enum config_sandbox sandbox;
    uint32_t watchdog_ms; /* 0: off */
    uint32_t threads;     /* 0: as many as there are processors */
    size_t worker_count;  /* of all pools */
    struct arena arena;   /* of everything above, itself too */
};

/* What the command line adds; zero is none of it. Borrowed during the load only. */
struct config_flags {
    const char *const *listen; /* replaces the file's listeners */
    size_t listen_count;
    const char *const *worker; /* the workers of one pool `default`; refused beside pools of a file */
    size_t worker_count;
    const char *threads; /* each NULL when not given */
    const char *access_log;
    const char *log_level;
    const char *admin;
    const char *admin_token;
    const char *admin_write;
    bool sealed;           /* no other file, no name look-up, no environment: for tests */
    struct region *region; /* where the configuration is made; NULL: of malloc */
};

/* path NULL: the layout built in (listen on 80, workers on 127.0.0.1:3001 to 3003), unless flags name workers.
 * 0 with *ret_config; -ERR_CONFIG with what is wrong in errors (warnings may be there with 0 too); -ERR_NO_MEMORY.
 * errors was initialised by the caller. */
MUST_CHECK int config_load(const char *path, const struct config_flags *flags, struct config_errors *errors,
                           struct config **ret_config);
/* The same from text; name stands in for the path in places, and relative includes are relative to it. */
MUST_CHECK int config_load_text(const char *name, struct str text, const struct config_flags *flags,
                                struct config_errors *errors, struct config **ret_config);
static inline bool config_has_tracing(const struct config *config)
{
    return config->tracing.place.file != NULL;
}
/* Is there an administration API? */
static inline bool config_has_admin(const struct config *config)
{
    return config->admin.place.file != NULL;
}
/* Frees and nulls; one in a region is the region's to reset. */
void config_destroy(struct config **config);

#endif
