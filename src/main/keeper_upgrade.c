/* By exec in place, since the process is what a service manager or a container knows Ballast by. Called by keeper.c's
 * loop; between two steps the loop turns. */
#include "main/keeper_upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

#define VARIABLE "BALLAST_UPGRADE" /* the descriptor of a succession, behind "rehearse " where that is all */
#define REHEARSE "rehearse "

enum {
    REHEARSE_MS = 60000,
    TELL_MS = 5000,
    START_MS = 60000,
    WHY_MAX = 1024,
};

static void step_to(struct keeper_upgrade *upgrade, enum keeper_upgrade_step step, int64_t ms)
{
    upgrade->step = step;
    upgrade->deadline_ms = ms ? clock_steady_ms() + ms : 0;
}

static struct keeper_server server_of(const struct keeper *keeper)
{
    return (struct keeper_server){keeper->server, keeper->link};
}

static void tell_server(const struct keeper *keeper, enum link_kind kind, const char *text)
{
    static struct link_message message;
    struct keeper_server server = server_of(keeper);

    message = (struct link_message){.kind = kind, .number = keeper->upgrade.number};
    (void)snprintf(message.text, sizeof(message.text), "%s", text);
    keeper_tell(&server, &message);
}

static void tell_with_file(const struct keeper_server *server, enum link_kind kind, uint32_t number, int fd)
{
    static struct link_message message;

    message = (struct link_message){.kind = kind, .number = number, .fd_count = fd >= 0};
    message.fds[0] = fd;
    keeper_tell(server, &message);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* ---- the program before: a rehearsal ---- */

/* What the server before had, and the new configuration does not: nobody listens there any more. */
static void let_go(struct keeper *keeper)
{
    struct succession *inherited = &keeper->upgrade.inherited;

    keeper_sockets_close(&inherited->sockets, &keeper->sockets);
    if (inherited->admin_fd >= 0 && inherited->admin_fd != keeper->admin_fd)
        close(inherited->admin_fd);
    succession_free(inherited);
    inherited->admin_fd = -1;
    keeper->upgrade.foreign = false;
}

/* The server is the program before's, and so are its sockets. */
static void fall_back(struct keeper *keeper)
{
    struct succession *inherited = &keeper->upgrade.inherited;

    keeper_sockets_close(&keeper->sockets, &inherited->sockets);
    if (keeper->admin_fd != inherited->admin_fd)
        close_fd(&keeper->admin_fd);
    keeper->admin_fd = -1;
    keeper->loaded = false;
}

static void refuse(struct keeper *keeper, const char *why)
{
    log_error("no upgrade", LOG_Z("why", why));
    tell_server(keeper, LINK_NO_UPGRADE, why);
    step_to(&keeper->upgrade, KEEPER_SETTLED, 0);
    if (keeper->upgrade.foreign && keeper->server > 0)
        fall_back(keeper);
    else if (keeper->upgrade.foreign && keeper->loaded)
        let_go(keeper); /* the server before has died meanwhile: another try is all there is */
}

static void fill_succession(const struct keeper *keeper, struct succession *ret_succession)
{
    *ret_succession = (struct succession){
        .number = keeper->upgrade.number,
        .server = keeper->server,
        .link = keeper->link,
        .admin_fd = keeper->upgrade.foreign ? keeper->upgrade.inherited.admin_fd : keeper->admin_fd,
        .sockets = keeper->upgrade.foreign ? keeper->upgrade.inherited.sockets : keeper->sockets,
        .keys = keeper->upgrade.inherited.keys,
        .key_count = keeper->upgrade.inherited.key_count,
    };
    if (keeper->upgrade.foreign) {
        ret_succession->admin_addr = keeper->upgrade.inherited.admin_addr;
        memcpy(ret_succession->version, keeper->upgrade.before, sizeof(ret_succession->version));
    } else {
        ret_succession->admin_addr = keeper->admin_addr;
        (void)snprintf(ret_succession->version, sizeof(ret_succession->version), "%s", BALLAST_VERSION);
    }
}

/* A file of memory with all that the next program needs, or a negative code. */
static int write_succession(const struct keeper *keeper)
{
    struct succession succession;

    fill_succession(keeper, &succession);
    if (keeper->upgrade.foreign)
        return succession_write(&succession);
    int fd = succession_note_keys(&succession, config_slot_config(&keeper->slots[keeper->current]));
    if (fd == 0)
        fd = succession_write(&succession);
    free(succession.keys); /* start-up only: see succession_note_keys */
    return fd;
}

static int name_succession(int fd, const char *how)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "%s%d", how, fd);
    return fcntl(fd, F_SETFD, 0) == 0 && setenv(VARIABLE, text, 1) == 0 ? 0 : -ERR_SYSTEM;
}

static void keep_descriptors(const struct keeper *keeper, bool kept)
{
    struct succession succession;

    fill_succession(keeper, &succession);
    succession_keep(&succession, kept);
}

/* The child, with signals as they were before the keeper took them. */
_Noreturn static void rehearse(struct keeper *keeper, int succession)
{
    sigset_t none;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    keep_descriptors(keeper, true);
    if (dup2(keeper->upgrade.said, STDOUT_FILENO) < 0 || dup2(keeper->upgrade.complained, STDERR_FILENO) < 0 ||
        name_succession(succession, REHEARSE))
        _exit(SERVER_EXIT_NOT_STARTED);
    execv(keeper->program, keeper->arguments);
    fprintf(stderr, "ballast: %s cannot be run: %s\n", keeper->program, strerror(errno));
    _exit(SERVER_EXIT_NOT_STARTED);
}

static void start_rehearsal(struct keeper *keeper)
{
    struct keeper_upgrade *upgrade = &keeper->upgrade;
    int succession = write_succession(keeper);

    upgrade->said = memfd_create("ballast-said", MFD_CLOEXEC);
    upgrade->complained = memfd_create("ballast-complained", MFD_CLOEXEC);
    upgrade->rehearsal = succession < 0 || upgrade->said < 0 || upgrade->complained < 0 ? -1 : fork();
    if (upgrade->rehearsal == 0)
        rehearse(keeper, succession);
    close_fd(&succession);
    step_to(upgrade, KEEPER_REHEARSES, REHEARSE_MS);
    if (upgrade->rehearsal < 0) {
        upgrade->rehearsal = 0;
        close_fd(&upgrade->said);
        close_fd(&upgrade->complained);
        refuse(keeper, "the keeper cannot fork a process that tries the new program");
    }
}

void keeper_upgrade(struct keeper *keeper)
{
    struct keeper_upgrade *upgrade = &keeper->upgrade;
    bool busy = upgrade->step == KEEPER_DRAINS || keeper->step != KEEPER_IDLE;

    if (busy)
        upgrade->again = true;
    if (busy || upgrade->step != KEEPER_SETTLED || keeper->server <= 0)
        return;
    upgrade->number++;
    tell_server(keeper, LINK_UPGRADING, "");
    if (!keeper->arguments) {
        refuse(keeper, "the demo is not upgraded: stop it and start it again");
        return;
    }
    log_info("the new program is tried", LOG_Z("program", keeper->program));
    start_rehearsal(keeper);
}

/* ---- what a rehearsal said ---- */

static void read_text(int fd, char *out, size_t room)
{
    ssize_t n = pread(fd, out, room - 1, 0);

    out[n > 0 ? n : 0] = '\0';
}

/* The last line, without the program's name. */
static const char *last_line(char *text)
{
    size_t n = strlen(text);

    while (n > 0 && text[n - 1] == '\n')
        text[--n] = '\0';
    const char *line = strrchr(text, '\n');
    line = line ? line + 1 : text;
    return strncmp(line, "ballast: ", 9) == 0 ? line + 9 : line;
}

static void say_why_not(struct keeper *keeper, int status)
{
    char text[WHY_MAX], why[WHY_MAX + 128];

    read_text(keeper->upgrade.complained, text, sizeof(text));
    fputs(text, stderr);
    const char *line = last_line(text);
    if (line[0])
        (void)snprintf(why, sizeof(why), "the new program refuses: %s", line);
    else if (WIFSIGNALED(status))
        (void)snprintf(why, sizeof(why), "the new program died: %s", strsignal(WTERMSIG(status)));
    else
        (void)snprintf(why, sizeof(why),
                       "%.1000s says nothing of taking over: it may be another program, or older than upgrades",
                       keeper->program);
    refuse(keeper, why);
}

/* Does not return when it succeeds. */
static void become(struct keeper *keeper)
{
    int succession = write_succession(keeper);

    log_info("the keeper becomes the new program", LOG_Z("program", keeper->program));
    keep_descriptors(keeper, true);
    if (succession >= 0 && name_succession(succession, "") == 0)
        execv(keeper->program, keeper->arguments);
    keep_descriptors(keeper, false);
    unsetenv(VARIABLE);
    close_fd(&succession);
    refuse(keeper, "the new program cannot be run");
}

static void on_rehearsed(struct keeper *keeper, int status)
{
    struct keeper_upgrade *upgrade = &keeper->upgrade;
    char said[WHY_MAX];

    read_text(upgrade->said, said, sizeof(said));
    bool can = WIFEXITED(status) && WEXITSTATUS(status) == 0 && strstr(said, " can take over\n");
    if (!can)
        say_why_not(keeper, status);
    close_fd(&upgrade->said);
    close_fd(&upgrade->complained);
    if (can)
        become(keeper);
}

/* ---- the new program ---- */

/* A name without a slash was looked up along PATH, and the place where it was found is what counts. Asked for at the
 * start: once another file has taken the program's place the system calls it deleted. */
static void find_program(struct keeper *keeper)
{
    ssize_t n = -1;

    if (strchr(keeper->arguments[0], '/'))
        (void)snprintf(keeper->program, sizeof(keeper->program), "%s", keeper->arguments[0]);
    else
        n = readlink("/proc/self/exe", keeper->program, sizeof(keeper->program) - 1);
    if (n >= 0)
        keeper->program[n] = '\0';
}

int keeper_upgrade_inherit(struct keeper *keeper)
{
    struct keeper_upgrade *upgrade = &keeper->upgrade;
    const char *value = getenv(VARIABLE);
    uint64_t fd;

    *upgrade = (struct keeper_upgrade){
        .said = -1, .complained = -1, .told = -1, .next = {0, -1}, .old = {0, -1}, .inherited = {.admin_fd = -1}};
    if (keeper->arguments)
        find_program(keeper);
    if (!value)
        return 0;
    keeper->rehearses = strncmp(value, REHEARSE, strlen(REHEARSE)) == 0;
    int error = str_parse_u64(str_of(value + (keeper->rehearses ? strlen(REHEARSE) : 0)), INT32_MAX, &fd);
    unsetenv(VARIABLE);
    if (!error)
        error = succession_read((int)fd, &upgrade->inherited);
    if (error) {
        fprintf(stderr, "ballast: what the program before left in %s cannot be read\n", VARIABLE);
        return error;
    }
    upgrade->foreign = true;
    upgrade->number = upgrade->inherited.number;
    memcpy(upgrade->before, upgrade->inherited.version, sizeof(upgrade->before));
    keeper->server = upgrade->inherited.server;
    keeper->link = upgrade->inherited.link;
    return 0;
}

static void start_next(struct keeper *keeper)
{
    step_to(&keeper->upgrade, KEEPER_STARTS, START_MS);
    if (!keeper_start(keeper, true, &keeper->upgrade.next))
        refuse(keeper, "the next server cannot be forked");
}

void keeper_upgrade_begin(struct keeper *keeper)
{
    struct keeper_upgrade *upgrade = &keeper->upgrade;
    struct keeper_server server = server_of(keeper);

    if (!upgrade->foreign)
        return;
    if (!keeper->loaded) {
        refuse(keeper, "the new program could not load the configuration or open its sockets; its error is in the log");
        return;
    }
    upgrade->told = memfd_create("ballast-told", MFD_CLOEXEC);
    tell_with_file(&server, LINK_TELL, 0, upgrade->told);
    step_to(upgrade, KEEPER_ASKS, TELL_MS);
}

static void swap(struct keeper *keeper)
{
    struct keeper_upgrade *upgrade = &keeper->upgrade;

    upgrade->old = server_of(keeper);
    keeper->server = upgrade->next.process;
    keeper->link = upgrade->next.link;
    upgrade->next = (struct keeper_server){0, -1};
    tell_with_file(&(struct keeper_server){keeper->server, keeper->link}, LINK_INHERIT, upgrade->old.process == 0,
                   upgrade->told);
    let_go(keeper);
    step_to(upgrade, upgrade->old.process ? KEEPER_DRAINS : KEEPER_SETTLED, 0);
}

static void retire(struct keeper *keeper)
{
    struct keeper_server server = server_of(keeper);

    if (server.process == 0) {
        swap(keeper);
        return;
    }
    step_to(&keeper->upgrade, KEEPER_SWAPS, TELL_MS);
    tell_with_file(&server, LINK_RETIRE, 0, keeper->upgrade.told);
}

void keeper_upgrade_hear(struct keeper *keeper, const struct link_message *message)
{
    struct keeper_upgrade *upgrade = &keeper->upgrade;
    struct keeper_server server = server_of(keeper);

    if (message->kind == LINK_UPGRADE)
        keeper_upgrade(keeper);
    else if (message->kind == LINK_READY && upgrade->step == KEEPER_STARTS)
        retire(keeper);
    else if (message->kind == LINK_TOLD && upgrade->step == KEEPER_ASKS)
        start_next(keeper);
    else if (message->kind == LINK_TOLD && upgrade->step == KEEPER_SWAPS)
        swap(keeper);
    else if (message->kind == LINK_TOLD && upgrade->step == KEEPER_DRAINS)
        tell_with_file(&server, LINK_INHERIT, 0, upgrade->told);
}

/* ---- children that end, times that are over ---- */

static void end_next(struct keeper *keeper, const char *why)
{
    struct keeper_upgrade *upgrade = &keeper->upgrade;

    if (upgrade->next.process > 0) {
        kill(upgrade->next.process, SIGKILL);
        waitpid(upgrade->next.process, NULL, 0);
    }
    close_fd(&upgrade->next.link);
    upgrade->next.process = 0;
    refuse(keeper, why);
}

static void on_old_ended(struct keeper *keeper)
{
    struct keeper_upgrade *upgrade = &keeper->upgrade;
    struct keeper_server server = server_of(keeper);

    tell_with_file(&server, LINK_INHERIT, 1, upgrade->told);
    close_fd(&upgrade->old.link);
    close_fd(&upgrade->told);
    upgrade->old.process = 0;
    log_info("the server before has ended");
    if (upgrade->step == KEEPER_DRAINS)
        step_to(upgrade, KEEPER_SETTLED, 0);
}

static bool reap(pid_t process, int *ret_status)
{
    return process > 0 && waitpid(process, ret_status, WNOHANG) == process;
}

static void on_deadline(struct keeper *keeper)
{
    switch (keeper->upgrade.step) {
    case KEEPER_REHEARSES: kill(keeper->upgrade.rehearsal, SIGKILL); break;
    case KEEPER_ASKS: start_next(keeper); break;
    case KEEPER_STARTS: end_next(keeper, "the next server was not ready in time"); break;
    case KEEPER_SWAPS: swap(keeper); break;
    default: break;
    }
}

void keeper_upgrade_look(struct keeper *keeper)
{
    struct keeper_upgrade *upgrade = &keeper->upgrade;
    int status;

    if (reap(upgrade->rehearsal, &status)) {
        upgrade->rehearsal = 0;
        if (upgrade->step == KEEPER_REHEARSES)
            on_rehearsed(keeper, status);
    }
    if (reap(upgrade->next.process, &status)) {
        upgrade->next.process = 0;
        end_next(keeper, "the next server ended before it was ready; its error is in the log");
    }
    if (reap(upgrade->old.process, &status))
        on_old_ended(keeper);
    if (keeper->server == 0 && upgrade->step == KEEPER_ASKS)
        start_next(keeper);
    if (keeper->server == 0 && upgrade->step == KEEPER_SWAPS)
        swap(keeper);
    if (upgrade->deadline_ms && clock_steady_ms() >= upgrade->deadline_ms)
        on_deadline(keeper);
    if (upgrade->again && upgrade->step == KEEPER_SETTLED && keeper->step == KEEPER_IDLE && keeper->server > 0) {
        upgrade->again = false;
        keeper_upgrade(keeper);
    }
}

int64_t keeper_upgrade_wait_ms(const struct keeper *keeper)
{
    int64_t left_ms = keeper->upgrade.deadline_ms - clock_steady_ms();

    if (keeper->upgrade.deadline_ms == 0)
        return -1;
    return left_ms > 0 ? left_ms : 0;
}

bool keeper_upgrade_has_server(const struct keeper *keeper)
{
    return keeper->server > 0 || keeper->upgrade.step == KEEPER_STARTS;
}

bool keeper_upgrade_lets_reload(const struct keeper *keeper)
{
    enum keeper_upgrade_step step = keeper->upgrade.step;

    return !keeper->upgrade.foreign && (step == KEEPER_SETTLED || step == KEEPER_DRAINS);
}

/* ---- the end ---- */

void keeper_upgrade_stop(struct keeper *keeper)
{
    struct keeper_upgrade *upgrade = &keeper->upgrade;

    upgrade->again = false;
    if (upgrade->rehearsal > 0)
        kill(upgrade->rehearsal, SIGKILL);
    if (upgrade->next.process > 0)
        end_next(keeper, "the balancer is to stop");
    if (upgrade->foreign)
        let_go(keeper);
    if (upgrade->step != KEEPER_DRAINS)
        step_to(upgrade, KEEPER_SETTLED, 0);
}

void keeper_upgrade_disown(struct keeper *keeper)
{
    struct keeper_upgrade *upgrade = &keeper->upgrade;

    close_fd(&upgrade->old.link);
    if (!upgrade->foreign)
        return;
    keeper_sockets_disown(&upgrade->inherited.sockets);
    let_go(keeper); /* copies of what nobody shall accept from would keep clients waiting */
}

void keeper_upgrade_release(struct keeper *keeper)
{
    if (keeper->upgrade.foreign && keeper->rehearses)
        keeper_sockets_disown(&keeper->upgrade.inherited.sockets);
    succession_free(&keeper->upgrade.inherited);
    close_fd(&keeper->upgrade.told);
}
