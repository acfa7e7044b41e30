/* Short lists, made once a reload. Used by control/reload alone. */
#include "control/doors.h"

#include <stdlib.h>
#include <unistd.h>

const struct listener_door *doors_find(const struct doors *doors, const struct sock_addr *addr)
{
    for (uint32_t i = 0; i < doors->count; i++)
        if (sock_addr_equal(&doors->items[i].addr.storage, &addr->storage))
            return &doors->items[i];
    return NULL;
}

/* not per request: once a reload. */
int doors_list(const struct doors *before, const struct config_listeners *listeners, uint32_t *next_id,
               struct doors *ret_doors)
{
    struct doors doors = {calloc(listeners->count, sizeof(*doors.items)), 0};

    if (!doors.items)
        return -ERR_NO_MEMORY;
    for (size_t i = 0; i < listeners->count; i++) {
        const struct sock_addr *addr = &listeners->items[i].address.addr;
        const struct listener_door *kept = doors_find(before, addr);
        doors.items[doors.count++] = (struct listener_door){*addr, kept ? kept->id : (*next_id)++};
    }
    *ret_doors = doors;
    return 0;
}

/* not per request: once a reload. */
void doors_fini(struct doors *doors)
{
    free(doors->items);
    *doors = (struct doors){NULL, 0};
}

/* not per request: once a reload. */
static int make_room(struct door_sockets *sockets, uint32_t reactors)
{
    size_t room = (size_t)CONFIG_LISTENERS_MAX * reactors;

    sockets->fds = malloc(sizeof(int) * room);
    sockets->counts = calloc(CONFIG_LISTENERS_MAX, sizeof(*sockets->counts));
    sockets->reactors = reactors;
    if (!sockets->fds || !sockets->counts) {
        door_sockets_forget(sockets);
        return -ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < room; i++)
        sockets->fds[i] = -1;
    return 0;
}

int door_sockets_note(struct door_sockets *sockets, uint32_t reactors, const struct link_message *message)
{
    int error = sockets->fds ? 0 : make_room(sockets, reactors);

    if (error)
        return error;
    uint32_t *known = &sockets->counts[message->number];
    for (uint32_t i = 0; i < message->fd_count && *known < reactors; i++)
        sockets->fds[message->number * reactors + (*known)++] = message->fds[i];
    return 0;
}

int door_sockets_fd(const struct door_sockets *sockets, uint32_t listener, uint32_t reactor)
{
    return sockets->fds ? sockets->fds[listener * sockets->reactors + reactor] : -1;
}

void door_sockets_close(struct door_sockets *sockets)
{
    for (size_t i = 0; sockets->fds && i < (size_t)CONFIG_LISTENERS_MAX * sockets->reactors; i++)
        if (sockets->fds[i] >= 0)
            close(sockets->fds[i]);
    door_sockets_forget(sockets);
}

/* not per request: once a reload. */
void door_sockets_forget(struct door_sockets *sockets)
{
    free(sockets->fds);
    free(sockets->counts);
    *sockets = (struct door_sockets){NULL, NULL, 0};
}
