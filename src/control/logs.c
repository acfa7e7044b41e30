/* Both logs are sinks, whose writers do all waiting. Owned by the server. */
#include "control/logs.h"

#include <limits.h>

#include "base/err.h"
#include "base/log.h"
#include "control/config_log.h"

static int open_one(const struct config *config, const struct config_log_to *to, const char *kind,
                    struct sink **ret_sink)
{
    char host[CONFIG_LOG_HOST_MAX];
    struct sink_target target;

    config_log_target(config, to, kind, host, &target);
    return sink_create_to(&target, ret_sink);
}

void logs_keep(const struct config *config)
{
    if (config_log_is_file(&config->log.to) && config->log.to.path.n < PATH_MAX)
        log_set_path(config->log.to.path.p);
}

int logs_open(struct logs *logs, const struct config *config)
{
    const struct config_log_to *access = &config->access_log.to, *events = &config->log.to;
    int error = 0;

    *logs = (struct logs){0};
    if (!str_eq(access->path, STR("off")))
        error = open_one(config, access, "access", &logs->access);
    if (error) {
        log_error("access log cannot be opened", LOG_S("path", access->path), LOG_Z("reason", err_reason(error)));
        return error;
    }
    if (!str_eq(events->path, STR("-")))
        error = open_one(config, events, "event", &logs->events);
    if (error)
        log_error("events log cannot be opened", LOG_S("path", events->path), LOG_Z("reason", err_reason(error)));
    else
        log_set_sink(logs->events);
    return error;
}

static void reopen_one(struct sink *sink)
{
    if (sink)
        sink_reopen(sink);
}

void logs_reopen(struct logs *logs)
{
    reopen_one(logs->access);
    reopen_one(logs->events);
}

static int result_of(const struct sink *sink)
{
    return sink ? sink_reopen_result(sink) : 0;
}

static void say(const char *log, const struct config_log_to *to, int result)
{
    if (!config_log_is_file(to))
        return;
    if (result == 0)
        log_info("log is reopened", LOG_Z("log", log));
    else
        log_error("log cannot be reopened: the old file is written on", LOG_Z("log", log), LOG_S("path", to->path),
                  LOG_Z("reason", err_reason(result)));
}

bool logs_look(const struct logs *logs, const struct config *config)
{
    int access = result_of(logs->access), events = result_of(logs->events);

    if (access == SINK_REOPENING || events == SINK_REOPENING)
        return false;
    say("access", &config->access_log.to, access);
    say("events", &config->log.to, events);
    return true;
}

void logs_finish(struct logs *logs)
{
    if (logs->access)
        sink_finish(logs->access);
    if (logs->events)
        sink_finish(logs->events);
}

void logs_close(struct logs *logs)
{
    log_set_sink(NULL);
    if (logs->access)
        sink_destroy(&logs->access);
    if (logs->events)
        sink_destroy(&logs->events);
}
