/* The order in which the server lets go: files first, since Landlock binds only threads that do not exist yet; then the
 * log is opened, as whoever it was started as; then the user; and system calls last, which the user's change still
 * needed. Runs on the thread that becomes the control thread. */
#include "main/priv.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/err.h"
#include "control/config_log.h"
#include "main/sandbox.h"

/* ---- whom ---- */

/* Single-threaded then, so that the C library's own record may be used. */
static int find_names(const struct config *config, struct priv *priv, char why[PRIV_WHY_MAX])
{
    const struct passwd *user = getpwnam(config->user.p);

    if (!user) {
        snprintf(why, PRIV_WHY_MAX, "there is no user %s on this machine (see `getent passwd`)", config->user.p);
        return -ERR_CONFIG;
    }
    priv->uid = user->pw_uid;
    priv->gid = user->pw_gid;
    if (config->group.n == 0)
        return 0;
    const struct group *group = getgrnam(config->group.p);
    if (!group) {
        snprintf(why, PRIV_WHY_MAX, "there is no group %s on this machine (see `getent group`)", config->group.p);
        return -ERR_CONFIG;
    }
    priv->gid = group->gr_gid;
    return 0;
}

int priv_find(const struct config *config, struct priv *ret_priv, char why[PRIV_WHY_MAX])
{
    struct priv priv = {.config = config, .uid = geteuid(), .gid = getegid()};

    if (config->user.n == 0 && config->group.n > 0) {
        snprintf(why, PRIV_WHY_MAX, "group %s needs a user beside it", config->group.p);
        return -ERR_CONFIG;
    }
    int error = config->user.n > 0 ? find_names(config, &priv, why) : 0;
    if (error)
        return error;
    priv.switches = priv.uid != geteuid() || priv.gid != getegid();
    if (priv.switches && geteuid() != 0) {
        snprintf(why, PRIV_WHY_MAX, "only root can become user %s: start Ballast as root, or as that user",
                 config->user.p);
        return -ERR_NO_PERMISSION;
    }
    *ret_priv = priv;
    return 0;
}

/* ---- letting go ---- */

void priv_begin(struct priv *priv)
{
    const struct config *config = priv->config;
    const struct config_log_to *access = &config->access_log.to, *events = &config->log.to;
    const char *const paths[] = {config_log_is_file(access) ? access->path.p : NULL,
                                 config_log_is_file(events) ? events->path.p : NULL};

    priv->new_privileges = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? strerror(errno) : NULL;
    if (config->sandbox == CONFIG_SANDBOX_OFF)
        priv->files = "switched off";
    else
        priv->files = sandbox_limit_files(paths, ARRAY_SIZE(paths), &priv->landlock);
}

static bool is_user(const struct priv *priv)
{
    uid_t real, effective, saved;
    gid_t real_group, effective_group, saved_group;

    return getresuid(&real, &effective, &saved) == 0 && real == priv->uid && effective == priv->uid &&
           saved == priv->uid && getresgid(&real_group, &effective_group, &saved_group) == 0 &&
           real_group == priv->gid && effective_group == priv->gid && saved_group == priv->gid &&
           getgroups(0, NULL) == 0 && (priv->uid == 0 || setuid(0) != 0);
}

/* The kernel forgets at a change of user that this process is to end with its parent. */
static int become(const struct priv *priv)
{
    pid_t parent = getppid();
    int end_signal = 0;

    prctl(PR_GET_PDEATHSIG, &end_signal);
    if (setgroups(0, NULL) || setresgid(priv->gid, priv->gid, priv->gid) ||
        setresuid(priv->uid, priv->uid, priv->uid) || !is_user(priv))
        return -ERR_NO_PERMISSION;
    prctl(PR_SET_PDEATHSIG, end_signal);
#ifdef BALLAST_SANITIZE
    prctl(PR_SET_DUMPABLE, 1); /* the leak check looks into its own process */
#endif
    return end_signal && getppid() != parent ? -ERR_CANCELLED : 0;
}

static struct str state_of(const char *why_not, char out[PRIV_WHY_MAX])
{
    if (!why_not)
        return STR("on");
    snprintf(out, PRIV_WHY_MAX, "off: %s", why_not);
    return str_of(out);
}

static void say(const struct priv *priv)
{
    char text[3][PRIV_WHY_MAX];
    struct str new_privileges = state_of(priv->new_privileges, text[0]);
    struct str files = state_of(priv->files, text[1]), calls = state_of(priv->calls, text[2]);

    log_info("server is confined", LOG_N("uid", geteuid()), LOG_N("gid", getegid()),
             LOG_S("no_new_privileges", new_privileges), LOG_S("landlock", files),
             LOG_N("landlock_version", priv->landlock), LOG_S("seccomp", calls));
    if (geteuid() == 0 && priv->config->user.n == 0)
        log_warn("the server runs as root: with `user: nobody`, or another user, it gives that up once its sockets "
                 "and its log are open");
}

int priv_finish(struct priv *priv)
{
    int error = priv->switches ? become(priv) : 0;

    if (error) {
        log_error("the server cannot become the configured user", LOG_S("user", priv->config->user),
                  LOG_Z("reason", strerror(errno)));
        return error;
    }
    priv->calls = priv->config->sandbox == CONFIG_SANDBOX_OFF ? "switched off" : sandbox_limit_calls();
    say(priv);
    return 0;
}
