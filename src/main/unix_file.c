/* Called by the keeper: the server may neither look for users nor remove files. The file is made for nobody, then given
 * away, then opened. */
#include "main/unix_file.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "io/sock.h"

static int say(char why[UNIX_FILE_WHY_MAX], const char *what, const char *name, int code)
{
    (void)snprintf(why, UNIX_FILE_WHY_MAX, "%s \"%s\"", what, name);
    return code;
}

static int find_owner(const struct config_listener *listener, uid_t *ret_user, gid_t *ret_group,
                      char why[UNIX_FILE_WHY_MAX])
{
    const struct passwd *user = listener->owner.n > 0 ? getpwnam(listener->owner.p) : NULL;
    const struct group *group = listener->group.n > 0 ? getgrnam(listener->group.p) : NULL;

    if (listener->owner.n > 0 && !user)
        return say(why, "this system has no user", listener->owner.p, -ERR_CONFIG);
    if (listener->group.n > 0 && !group)
        return say(why, "this system has no group", listener->group.p, -ERR_CONFIG);
    *ret_user = user ? user->pw_uid : (uid_t)-1;
    *ret_group = group ? group->gr_gid : (gid_t)-1;
    return 0;
}

/* Octal digits: they were checked. */
static mode_t mode_of(struct str text)
{
    mode_t mode = 0;

    for (size_t i = 0; i < text.n; i++)
        mode = mode << 3 | (mode_t)(text.p[i] - '0');
    return mode;
}

/* 0, or errno. */
static int open_to(const char *path, uid_t user, gid_t group, mode_t mode)
{
    bool given = user != (uid_t)-1 || group != (gid_t)-1;

    if (given && lchown(path, user, group) != 0)
        return errno;
    return chmod(path, mode) == 0 ? 0 : errno;
}

/* What is the matter with a path is not what it would be with a port. */
static void explain(int code, const char *path, char why[UNIX_FILE_WHY_MAX])
{
    struct stat there;
    const char *what = "";

    if (code == -ERR_ADDRESS_IN_USE && lstat(path, &there) == 0 && !S_ISSOCK(there.st_mode))
        what = "there is a file that is no socket, and it is not overwritten: move it, or choose another path";
    else if (code == -ERR_ADDRESS_IN_USE)
        what = "a program has its socket there: stop it, or choose another path";
    else if (code == -ERR_NO_PERMISSION)
        what = "permission was denied: whoever starts Ballast must be allowed to write into its directory";
    else if (code == -ERR_BAD_ADDRESS)
        what = "its directory is not there: make it first (a systemd unit by RuntimeDirectory=)";
    (void)snprintf(why, UNIX_FILE_WHY_MAX, "%s", what);
}

int unix_file_listen(const struct config_listener *listener, int backlog, struct unix_file *ret_file,
                     char why[UNIX_FILE_WHY_MAX])
{
    const char *path = listener->address.path.p;
    mode_t before = umask(0777);
    mode_t mode = listener->mode.n > 0 ? mode_of(listener->mode) : 0777 & ~before;
    struct stat made;
    uid_t user;
    gid_t group;

    why[0] = '\0';
    int fd = find_owner(listener, &user, &group, why);
    if (fd == 0) {
        fd = sock_listen(&listener->address.addr, backlog, false);
        explain(fd, path, why);
    }
    umask(before);
    if (fd < 0)
        return fd;
    int failure = open_to(path, user, group, mode);
    if (failure == 0 && lstat(path, &made) == 0) {
        *ret_file = (struct unix_file){.device = made.st_dev, .inode = made.st_ino};
        (void)snprintf(ret_file->path, sizeof(ret_file->path), "%s", path);
        return fd;
    }
    close(fd);
    unlink(path);
    return say(why, "its mode and owner cannot be set on", path, err_from_errno(failure ? failure : errno));
}

void unix_file_remove(struct unix_file *file)
{
    struct stat now;

    if (file->path[0] && lstat(file->path, &now) == 0 && now.st_dev == file->device && now.st_ino == file->inode)
        unlink(file->path);
    file->path[0] = '\0';
}
