/* Files are read and names looked up by a child, so that the keeper never waits for a disk or a name server, and a
 * configuration that makes the parser crash costs nothing. Called by keeper.c's loop. */
#include "main/keeper_reload.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/config_tls.h"
#include "control/signal.h"
#include "main/admin_socket.h"
#include "main/keeper_upgrade.h"

static void tell(const struct keeper *keeper, const struct link_message *message)
{
    keeper_tell(&(struct keeper_server){keeper->server, keeper->link}, message);
}

static void fail(struct keeper *keeper, const char *why)
{
    static struct link_message message;

    message = (struct link_message){.kind = LINK_FAILED, .purpose = keeper->purpose};
    (void)snprintf(message.text, sizeof(message.text), "%s", why);
    tell(keeper, &message);
    keeper->step = KEEPER_IDLE;
}

/* ---- loading ---- */

static uint32_t free_slot(const struct keeper *keeper)
{
    uint32_t slot = 0;

    while (slot == keeper->current || slot == keeper->previous)
        slot++;
    return slot;
}

_Noreturn static void load(struct keeper *keeper)
{
    sigset_t none;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGTERM, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    _exit(config_slot_load(&keeper->slots[keeper->next], keeper->path, keeper->flags) != 0);
}

static void start_loading(struct keeper *keeper)
{
    keeper->next = free_slot(keeper);
    keeper->loader = fork();
    if (keeper->loader == 0)
        load(keeper);
    if (keeper->loader < 0)
        fail(keeper, "the keeper cannot fork a process that loads the configuration");
    else
        keeper->step = KEEPER_LOADS;
}

/* ---- offering ---- */

static void send_sockets(struct keeper *keeper, uint32_t listener)
{
    static struct link_message message;
    uint32_t reactors = keeper->reactors;

    for (uint32_t first = 0; first < reactors; first += LINK_FDS_MAX) {
        message = (struct link_message){.kind = LINK_SOCKETS, .number = listener};
        message.fd_count = reactors - first < LINK_FDS_MAX ? reactors - first : LINK_FDS_MAX;
        memcpy(message.fds, keeper->next_sockets.fds + (size_t)listener * keeper->next_sockets.width + first,
               message.fd_count * sizeof(int));
        tell(keeper, &message);
    }
}

/* The socket stays until the next start: with no token anybody could ask there. */
static void fail_for_token(struct keeper *keeper)
{
    char where[SOCK_TEXT_MAX], why[KEEPER_WHY_MAX];

    (void)snprintf(
        why, sizeof(why),
        "the administration API is at %.*s until the next start or upgrade, and there it needs a token: leave "
        "admin.token in the file until then, or upgrade (ballast upgrade, USR2) instead of reloading",
        STR_ARG(sock_addr_text(where, &keeper->admin_addr.storage)));
    fail(keeper, why);
}

static void offer(struct keeper *keeper)
{
    static struct link_message message;
    struct config *config = config_slot_config(&keeper->slots[keeper->next]);
    char why[KEEPER_WHY_MAX];

    config_tls_keep_tickets(config_slot_config(&keeper->slots[keeper->current]), config);
    if (config->admin.token.n == 0 && admin_socket_needs_token(keeper->admin_fd)) {
        fail_for_token(keeper);
        return;
    }
    if (keeper->purpose != LINK_TO_PLAN) {
        if (keeper_sockets_open(config, keeper->reactors, keeper->admin_fd, &keeper->sockets, &keeper->next_sockets,
                                why)) {
            fail(keeper, why);
            return;
        }
        for (uint32_t i = 0; i < keeper->next_sockets.listeners; i++)
            if (keeper_sockets_is_new(&keeper->next_sockets, i, &keeper->sockets))
                send_sockets(keeper, i);
    }
    message = (struct link_message){.kind = LINK_CONFIG, .purpose = keeper->purpose, .number = keeper->next};
    tell(keeper, &message);
    keeper->step = KEEPER_OFFERS;
}

static void on_loaded(struct keeper *keeper, int status)
{
    const char *text = config_slot_text(&keeper->slots[keeper->next]);

    keeper->loader = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        offer(keeper);
    else if (WIFEXITED(status))
        fail(keeper, text[0] ? text : "the configuration cannot be loaded");
    else
        fail(keeper, "the process that loads the configuration died");
}

/* ---- what became of it ---- */

static void on_refused(struct keeper *keeper)
{
    keeper_sockets_close(&keeper->next_sockets, &keeper->sockets);
    keeper->step = KEEPER_IDLE;
}

static void on_applied(struct keeper *keeper)
{
    struct keeper_sockets old = keeper->sockets;
    const struct config *config = config_slot_config(&keeper->slots[keeper->next]);

    keeper->sockets = keeper->next_sockets;
    keeper->next_sockets = (struct keeper_sockets){.fds = NULL};
    keeper_sockets_close(&old, &keeper->sockets);
    keeper->previous = keeper->purpose == LINK_TO_ROLL_BACK ? keeper->next : keeper->current;
    keeper->current = keeper->next;
    keeper->priv.config = config;
    log_configure(config->log.level, config->log.format);
    keeper->step = KEEPER_IDLE;
}

static void roll_back(struct keeper *keeper)
{
    keeper->purpose = LINK_TO_ROLL_BACK;
    keeper->next = keeper->previous;
    if (keeper->previous == keeper->current)
        fail(keeper, "there is no configuration before this one");
    else
        offer(keeper);
}

bool keeper_reload_hear(struct keeper *keeper, const struct link_message *message)
{
    bool idle = keeper->step == KEEPER_IDLE, offers = keeper->step == KEEPER_OFFERS;

    switch (message->kind) {
    case LINK_APPLIED:
        if (offers)
            on_applied(keeper);
        return true;
    case LINK_REFUSED:
        if (offers)
            on_refused(keeper);
        return true;
    case LINK_ROLLBACK:
        if (idle)
            roll_back(keeper);
        return true;
    case LINK_RELOAD: keeper_reload(keeper, message->purpose); return true;
    default: return false;
    }
}

void keeper_reload(struct keeper *keeper, enum link_purpose purpose)
{
    if (!keeper_upgrade_lets_reload(keeper)) {
        keeper->purpose = purpose;
        fail(keeper, keeper->upgrade.step == KEEPER_SETTLED
                         ? "this server is of the program before, since an upgrade failed: ballast upgrade tries again"
                         : "an upgrade is under way, and what it starts has read the files anew");
    } else if (keeper->step != KEEPER_IDLE) {
        keeper->again = true; /* files may have changed since they were read */
    } else {
        keeper->purpose = purpose;
        start_loading(keeper);
    }
}

void keeper_reload_look(struct keeper *keeper)
{
    int status;

    if (keeper->loader > 0 && waitpid(keeper->loader, &status, WNOHANG) == keeper->loader)
        on_loaded(keeper, status);
    if (keeper->again && keeper->step == KEEPER_IDLE) {
        keeper->again = false;
        keeper_reload(keeper, LINK_TO_APPLY);
    }
}

void keeper_reload_forget(struct keeper *keeper)
{
    if (keeper->step == KEEPER_OFFERS)
        on_refused(keeper);
}

void keeper_reload_stop(struct keeper *keeper)
{
    if (keeper->loader <= 0)
        return;
    kill(keeper->loader, SIGKILL);
    waitpid(keeper->loader, NULL, 0);
    keeper->loader = 0;
}
