/* Two servers of one keeper share the listening sockets for a while; only one of them accepts. What the one before has
 * counted is an account beside the reactors' own, replaced by each newer telling. */
#include "control/upgrade.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/lines.h"
#include "base/log.h"
#include "control/admin_handover.h"
#include "control/reload.h"

enum { TELL_MS = 1000 };

struct upgrade {
    struct upgrade_options options;
    enum upgrade_state state;
    uint32_t number;
    char sentence[LINK_TEXT_MAX];
    struct timer tell_timer;
    int told;              /* where this server writes for the one that has replaced it; -1: none has */
    struct account frozen; /* what it wrote */
    const struct account *frozen_accounts[1];
    struct metric_sources frozen_sources;
    const struct metric_sources *_Atomic shown;
};

static void say(struct upgrade *upgrade, enum upgrade_state state, const char *sentence)
{
    upgrade->state = state;
    (void)snprintf(upgrade->sentence, sizeof(upgrade->sentence), "%s", sentence);
}

static int tell_keeper(const struct upgrade *upgrade, enum link_kind kind)
{
    struct link_message message = {.kind = kind};

    return upgrade->options.link < 0 ? -ERR_CONN_CLOSED : link_send(upgrade->options.link, &message);
}

/* ---- being replaced ---- */

static void tell(const struct upgrade *upgrade, int fd)
{
    int error = handover_write(fd, upgrade_sources(upgrade));

    if (error)
        log_warn("what this server knows cannot be told to the next", LOG_Z("reason", err_reason(error)));
    (void)tell_keeper(upgrade, LINK_TOLD); /* a gone keeper takes this process with it */
}

/* What is told is what is shown: all accounts of now in one. not per request: as often as it is told. */
static void freeze(struct upgrade *upgrade)
{
    const struct metric_sources *sources = upgrade->options.sources;
    uint32_t count = roster_count(sources->roster);
    struct account_worker *workers = calloc(2 * (size_t)count + 1, sizeof(*workers));
    struct account_totals totals = {0};

    if (!workers)
        return; /* what was told last goes on */
    account_begin(&upgrade->frozen);
    atomic_store(&upgrade->shown, &upgrade->frozen_sources);
    for (uint32_t i = 0; i < sources->account_count; i++)
        account_add_to(sources->accounts[i], &totals, workers, workers + count, count);
    account_set_totals(&upgrade->frozen, &totals);
    for (uint32_t i = 0; i < count; i++)
        account_set_worker(&upgrade->frozen, roster_at(sources->roster, i), &workers[i]);
    account_end(&upgrade->frozen);
    free(workers); /* not per request: see above */
}

static int start_freezing(struct upgrade *upgrade)
{
    int error = account_init(&upgrade->frozen, roster_count(upgrade->options.roster));

    upgrade->frozen_sources = *upgrade->options.sources;
    upgrade->frozen_sources.accounts = upgrade->frozen_accounts;
    upgrade->frozen_accounts[0] = &upgrade->frozen;
    upgrade->frozen_sources.account_count = 1;
    upgrade->frozen_sources.threads = 0;
    return error;
}

static void tell_frozen(struct upgrade *upgrade)
{
    if (upgrade->frozen_sources.accounts)
        freeze(upgrade);
    tell(upgrade, upgrade->told);
}

static void on_tell(struct timer *timer)
{
    struct upgrade *upgrade = CONTAINER_OF(timer, struct upgrade, tell_timer);

    tell_frozen(upgrade);
    io_timer_set(upgrade->options.io, timer, io_now_ms(upgrade->options.io) + TELL_MS);
}

static void retire(struct upgrade *upgrade, int fd)
{
    if (fd < 0 || upgrade->told >= 0)
        return;
    upgrade->told = fd;
    if (start_freezing(upgrade))
        upgrade->frozen_sources.accounts = NULL; /* no memory: pages show what is counted since, too */
    upgrade->options.retire(upgrade->options.context);
    on_tell(&upgrade->tell_timer);
}

void upgrade_finish(struct upgrade *upgrade)
{
    if (upgrade->told < 0)
        return;
    io_timer_set(upgrade->options.io, &upgrade->tell_timer, TIMER_NEVER);
    tell_frozen(upgrade);
}

/* ---- taking over ---- */

static void inherit(struct upgrade *upgrade, int fd, bool ended)
{
    struct handover *handover = fd < 0 ? NULL : handover_read(fd);

    if (handover)
        handover_count(handover, upgrade->options.roster, upgrade->options.inherited, ended);
    handover_free(&handover); /* one that was being written over comes again */
}

static int first_fd(const struct link_message *message)
{
    return message->fd_count > 0 ? message->fds[0] : -1;
}

/* The loop does not turn yet. */
static int wait_for_turn(const struct upgrade *upgrade, struct link_message *message)
{
    struct pollfd link = {.fd = upgrade->options.link, .events = POLLIN};
    int heard = tell_keeper(upgrade, LINK_READY);

    while (heard == 0 || (heard > 0 && message->kind != LINK_INHERIT)) {
        if (poll(&link, 1, -1) < 0 && errno != EINTR)
            return -ERR_SYSTEM;
        heard = link_receive(upgrade->options.link, message);
    }
    return heard < 0 ? -ERR_CANCELLED : 0;
}

/* Those that came after the server before was first asked. */
static void adopt_changes(struct upgrade *upgrade, const struct handover *handover)
{
    struct changes changes;
    int error = handover_changes(handover, &changes);

    if (!error)
        error = reload_adopt(upgrade->options.reload, &changes, false);
    if (error)
        log_warn("the last changes of run time are not taken over", LOG_Z("reason", err_reason(error)));
}

static void adopt_past(struct upgrade *upgrade, const struct handover *handover)
{
    const struct upgrade_options *options = &upgrade->options;

    if (handover_past(handover, options->sources->journal, reload_past(options->reload)))
        log_warn("the last events are not taken over", LOG_Z("reason", err_reason(-ERR_NO_MEMORY)));
}

int upgrade_take_over(struct upgrade *upgrade, int told_fd)
{
    static struct link_message message; /* large; one control thread */
    const struct upgrade_options *options = &upgrade->options;
    int error = wait_for_turn(upgrade, &message);
    if (error)
        return error;
    struct handover *handover = first_fd(&message) < 0 ? NULL : handover_read(first_fd(&message));
    if (!handover && told_fd >= 0)
        handover = handover_read(told_fd);
    uint32_t known = 0;
    if (handover) {
        adopt_changes(upgrade, handover);
        known = handover_restore(handover, options->roster, options->sources->snapshot, options->prober);
        handover_count(handover, options->roster, options->inherited, message.number > 0);
        overlay_set_modes(options->sources->changes, options->sources->snapshot->workers,
                          options->sources->snapshot->worker_count, options->prober);
        handover_count_reloads(handover, options->sources);
        adopt_past(upgrade, handover);
    } else {
        log_warn("the server before has told nothing: counters and health begin anew");
    }
    handover_free(&handover);
    if (first_fd(&message) >= 0)
        close(first_fd(&message));
    (void)snprintf(upgrade->sentence, sizeof(upgrade->sentence), "Version %s took over from %s.", BALLAST_VERSION,
                   options->before);
    log_info("server takes over from the one before", LOG_Z("version", BALLAST_VERSION),
             LOG_Z("before", options->before), LOG_N("workers_known", known), LOG_N("upgrade", options->number));
    return 0;
}

/* ---- the keeper's words ---- */

static void note_asked(struct upgrade *upgrade, uint32_t number)
{
    upgrade->number = number;
    say(upgrade, UPGRADE_WAITING, "The new program is being tried.");
}

void upgrade_hear(struct upgrade *upgrade, const struct link_message *message)
{
    int fd = first_fd(message);

    switch (message->kind) {
    case LINK_TELL:
        if (fd >= 0)
            tell(upgrade, fd);
        break;
    case LINK_RETIRE: retire(upgrade, fd); return; /* keeps it */
    case LINK_INHERIT: inherit(upgrade, fd, message->number > 0); break;
    case LINK_UPGRADING: note_asked(upgrade, message->number); break;
    case LINK_NO_UPGRADE:
        say(upgrade, UPGRADE_FAILED, message->text);
        log_error("no upgrade: this server goes on", LOG_Z("why", message->text));
        break;
    default: break;
    }
    if (fd >= 0)
        close(fd);
}

const struct metric_sources *upgrade_sources(const struct upgrade *upgrade)
{
    return atomic_load(&upgrade->shown);
}

/* ---- asking ---- */

int upgrade_ask(struct upgrade *upgrade)
{
    if (upgrade->state == UPGRADE_WAITING)
        return -ERR_FULL;
    int error = tell_keeper(upgrade, LINK_UPGRADE);
    if (!error)
        note_asked(upgrade, upgrade->number + 1); /* the keeper counts the same */
    return error;
}

struct upgrade_view upgrade_look(const struct upgrade *upgrade)
{
    return (struct upgrade_view){upgrade->state, upgrade->number,
                                 upgrade->sentence[0] ? upgrade->sentence : "There was none."};
}

/* ---- life ---- */

/* start-up only: one a server. */
int upgrade_create(const struct upgrade_options *options, struct upgrade **ret_upgrade)
{
    struct upgrade *upgrade = lines_take(1, sizeof(*upgrade));

    if (!upgrade)
        return -ERR_NO_MEMORY;
    upgrade->options = *options;
    upgrade->state = options->before ? UPGRADE_DONE : UPGRADE_NONE;
    upgrade->number = options->number;
    upgrade->told = -1;
    atomic_store(&upgrade->shown, options->sources);
    timer_init(&upgrade->tell_timer, on_tell);
    *ret_upgrade = upgrade;
    return 0;
}

/* start-up only: the other end of upgrade_create. */
void upgrade_destroy(struct upgrade **destroyed)
{
    struct upgrade *upgrade = *destroyed;

    *destroyed = NULL;
    if (!upgrade)
        return;
    io_timer_fini(upgrade->options.io, &upgrade->tell_timer);
    if (upgrade->told >= 0)
        close(upgrade->told);
    account_fini(&upgrade->frozen);
    lines_give(upgrade);
}
