/* Destinations of logs. Called while a configuration loads, after all is read, since an address may be a name that is
 * looked up; and by whoever opens the logs. */
#include "control/config_log.h"

#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "control/config_value.h"
#include "control/directive.h"

#define SYSLOG_SOCKET  "unix:/dev/log"
#define JOURNAL_SOCKET "unix:/run/systemd/journal/socket"

/* By the words of the setting (RFC 5424, table 1). */
static const unsigned syslog_facilities[] = {3, 1, 16, 17, 18, 19, 20, 21, 22, 23};

struct log_block {
    enum directive_block block;
    const struct config_place *place;
    struct str path;
    struct config_log_to *to;
};

/* ---- addresses ---- */

static void refuse(struct config_errors *errors, const struct log_block *log, const char *why)
{
    config_error_add(errors, log->place, "%s.path: \"%.*s\": %s", directive_block_info(log->block)->key,
                     STR_ARG(config_shown(log->path)), why);
}

static int find_address(struct config *config, struct config_errors *errors, bool sealed, const struct log_block *log,
                        struct str text)
{
    struct config_value value = {.arena = &config->arena, .sealed = sealed};
    struct config_address address;
    int error = config_value_parse(&value, directive_find(DIRECTIVE_BLOCK_ADMIN, STR("address")), text, &address);

    if (error == -ERR_CONFIG) {
        refuse(errors, log, value.why);
        return 0;
    }
    if (error)
        return error;
    log->to->addr = address.addr;
    return 0;
}

/* What stands behind `word` and a colon; p NULL when it is another word. */
static struct str behind(struct str path, const char *word, const char *otherwise)
{
    size_t n = strlen(word);

    if (str_eq(path, str_of(word)))
        return str_of(otherwise);
    if (!str_starts(path, str_of(word)) || path.p[n] != ':')
        return STR_NONE;
    return str_slice(path.p + n + 1, path.n - n - 1);
}

static int check_syslog(struct config *config, struct config_errors *errors, bool sealed, const struct log_block *log,
                        struct str where)
{
    static const size_t scheme = sizeof("udp://") - 1;
    struct str rest =
        str_slice(where.p + (where.n < scheme ? where.n : scheme), where.n < scheme ? 0 : where.n - scheme);

    log->to->kind = SINK_SYSLOG;
    if (str_starts(where, STR("unix:/")))
        return find_address(config, errors, sealed, log, where);
    log->to->stream = str_starts(where, STR("tcp://"));
    bool known = log->to->stream || str_starts(where, STR("udp://"));
    if (known && str_find(rest, ':') < rest.n && !str_starts(rest, STR("unix:")))
        return find_address(config, errors, sealed, log, rest);
    refuse(errors, log, "expected syslog:unix:/path, syslog:udp://host:port or syslog:tcp://host:port");
    return 0;
}

static int check_journal(struct config *config, struct config_errors *errors, bool sealed, const struct log_block *log,
                         struct str where)
{
    log->to->kind = SINK_JOURNAL;
    if (str_starts(where, STR("unix:/")))
        return find_address(config, errors, sealed, log, where);
    refuse(errors, log, "expected journal, or journal:unix:/path");
    return 0;
}

static int check_one(struct config *config, struct config_errors *errors, bool sealed, const struct log_block *log)
{
    struct str syslog = behind(log->path, "syslog", SYSLOG_SOCKET);
    struct str journal = behind(log->path, "journal", JOURNAL_SOCKET);

    *log->to = (struct config_log_to){.kind = SINK_FILE, .path = log->path};
    if (syslog.p)
        return check_syslog(config, errors, sealed, log, syslog);
    return journal.p ? check_journal(config, errors, sealed, log, journal) : 0;
}

int config_log_check(struct config *config, struct config_errors *errors, bool sealed)
{
    const struct log_block logs[] = {
        {DIRECTIVE_BLOCK_ACCESS_LOG, &config->access_log.place, config->access_log.path, &config->access_log.to},
        {DIRECTIVE_BLOCK_LOG, &config->log.place, config->log.path, &config->log.to},
    };

    if (str_eq(config->log.path, STR("off")))
        refuse(errors, &logs[1], "an events log that is nowhere is one with the level off");
    for (size_t i = 0; i < ARRAY_SIZE(logs); i++) {
        int error = check_one(config, errors, sealed, &logs[i]);
        if (error)
            return error;
    }
    return 0;
}

/* ---- for whoever opens them ---- */

bool config_log_is_file(const struct config_log_to *to)
{
    return to->kind == SINK_FILE && !str_eq(to->path, STR("off")) && !str_eq(to->path, STR("-"));
}

void config_log_target(const struct config *config, const struct config_log_to *to, const char *kind,
                       char host[CONFIG_LOG_HOST_MAX], struct sink_target *ret_target)
{
    const struct config_syslog *syslog = &config->syslog;

    host[0] = '\0';
    if (syslog->hostname.n > 0)
        (void)snprintf(host, CONFIG_LOG_HOST_MAX, "%s", syslog->hostname.p);
    else if (gethostname(host, CONFIG_LOG_HOST_MAX))
        (void)snprintf(host, CONFIG_LOG_HOST_MAX, "-");
    host[CONFIG_LOG_HOST_MAX - 1] = '\0';
    *ret_target = (struct sink_target){
        .kind = to->kind,
        .path = to->path.p,
        .address = to->addr.storage,
        .address_bytes = to->addr.len,
        .stream = to->stream,
        .head =
            {
                .facility = syslog_facilities[syslog->facility],
                .host = host,
                .app = syslog->app_name.p,
                .kind = kind,
                .process = (uint32_t)getpid(),
                .enterprise = syslog->enterprise,
            },
    };
}
