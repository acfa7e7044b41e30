/* Files are read whole, once, while a configuration is loaded. Called by config_source and config_tls. */
#include "control/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Pipes have no size: the room doubles as it fills. */
int config_file_take(struct arena *arena, int fd, struct str *ret_text, int *ret_errno)
{
    size_t room = 1 << 16;
    size_t used = 0;
    char *bytes = arena_take(arena, room);
    while (bytes != NULL) {
        ssize_t got = read(fd, bytes + used, room - used);
        if (got < 0 && errno == EINTR)
            continue;
        used += got > 0 ? (size_t)got : 0;
        if (got < 0 || used > CONFIG_FILE_BYTES_MAX) {
            *ret_errno = got < 0 ? errno : EFBIG;
            return -ERR_SYSTEM;
        }
        if (got == 0) {
            *ret_text = str_slice(bytes, used);
            return 0;
        }
        if (used < room)
            continue;
        char *larger = arena_take(arena, room * 2);
        if (larger != NULL)
            memcpy(larger, bytes, used);
        bytes = larger;
        room *= 2;
    }
    return -ERR_NO_MEMORY;
}

int config_file_read(struct arena *arena, const char *path, struct str *ret_text, int *ret_errno)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0) {
        *ret_errno = errno;
        return -ERR_SYSTEM;
    }
    int error = config_file_take(arena, fd, ret_text, ret_errno);
    close(fd);
    return error;
}
