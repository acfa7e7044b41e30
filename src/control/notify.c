/* The protocol is public and has a handful of lines; libsystemd would bring more code than the rest of this floor. Used
 * by the server's control thread. */
#include "control/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/str.h"

int notify_open(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct str path = str_of(getenv("NOTIFY_SOCKET") ? getenv("NOTIFY_SOCKET") : "");

    if ((!str_starts(path, STR("/")) && !str_starts(path, STR("@"))) || path.n >= sizeof(address.sun_path))
        return -1;
    memcpy(address.sun_path, path.p, path.n);
    if (path.p[0] == '@')
        address.sun_path[0] = '\0'; /* the abstract name space */
    int notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.n);
    if (notify >= 0 && connect(notify, (struct sockaddr *)&address, length)) {
        close(notify);
        return -1;
    }
    return notify;
}

void notify_say(int notify, const char *state)
{
    if (notify >= 0)
        (void)!send(notify, state, strlen(state), MSG_NOSIGNAL);
}

uint32_t notify_watchdog_ms(void)
{
    const char *text = getenv("WATCHDOG_USEC");
    uint64_t us;

    if (!text || str_parse_u64(str_of(text), UINT32_MAX, &us) || us == 0)
        return 0;
    return us / 2000 > 0 ? (uint32_t)(us / 2000) : 1;
}
