/* One table of counts under one lock. Exact, where a table for each reactor would let a client in once for each of
 * them; and accepting is rare enough, against requests, that the lock is not felt. Open addressing, twice as many
 * places as clients can be inside, nothing allocated after the start. The hash is keyed: who could choose colliding
 * addresses cannot know which collide. */
#include "proxy/gate.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/rand.h"

/* Network order; an IPv4 address stands as IPv6 writes it (::ffff:a.b.c.d), however it came. */
struct gate_client {
    uint64_t high, low;
};

struct gate_place {
    struct gate_client client;
    uint32_t count; /* 0: free */
};

struct gate {
    /* fixed after create */
    uint32_t limit;
    uint32_t mask; /* of places */
    uint64_t key[2];
    /* shared, under the lock */
    pthread_mutex_t lock;
    struct gate_place *places;
};

/* start-up only: one table. */
int gate_create(uint32_t limit, uint32_t clients, struct gate **ret_gate)
{
    struct gate *gate = calloc(1, sizeof(*gate));
    struct rand_gen rand;
    uint32_t places = 2;

    ASSERT(limit > 0 && clients < UINT32_MAX / 4);
    while (places < 2 * clients)
        places *= 2;
    if (gate)
        gate->places = calloc(places, sizeof(*gate->places));
    if (!gate || !gate->places) {
        free(gate);
        return -ERR_NO_MEMORY;
    }
    rand_init(&rand);
    gate->key[0] = rand_u64(&rand);
    gate->key[1] = rand_u64(&rand);
    gate->limit = limit;
    gate->mask = places - 1;
    pthread_mutex_init(&gate->lock, NULL);
    *ret_gate = gate;
    return 0;
}

/* start-up only: the other end of gate_create. */
void gate_destroy(struct gate **gate)
{
    if (!*gate)
        return;
    pthread_mutex_destroy(&(*gate)->lock);
    free((*gate)->places);
    free(*gate);
    *gate = NULL;
}

static bool client_of(const struct sockaddr *address, struct gate_client *ret_client)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    uint8_t bytes[16];

    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in4 = (const void *)address;
        memcpy(bytes, mapped, sizeof(mapped));
        memcpy(bytes + sizeof(mapped), &in4->sin_addr, 4);
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)address;
        memcpy(bytes, &in6->sin6_addr, sizeof(bytes));
        if (memcmp(bytes, mapped, sizeof(mapped)) != 0)
            memset(bytes + 8, 0, 8);
    } else {
        return false;
    }
    memcpy(&ret_client->high, bytes, 8);
    memcpy(&ret_client->low, bytes + 8, 8);
    return true;
}

__extension__ typedef unsigned __int128 gate_wide;

static uint32_t home_of(const struct gate *gate, const struct gate_client *client)
{
    gate_wide product = (gate_wide)(client->high ^ gate->key[0]) * (client->low ^ gate->key[1]);
    uint64_t mixed = (uint64_t)(product >> 64) ^ (uint64_t)product;

    return (uint32_t)(mixed ^ mixed >> 32) & gate->mask;
}

/* Its place, or the free one that it would have. */
static uint32_t find(const struct gate *gate, const struct gate_client *client)
{
    uint32_t at = home_of(gate, client);

    for (uint32_t looks = 0; looks <= gate->mask; looks++, at = (at + 1) & gate->mask) {
        const struct gate_place *place = &gate->places[at];
        if (place->count == 0 || (place->client.high == client->high && place->client.low == client->low))
            return at;
    }
    ASSERT(!"a free place");
    return 0;
}

bool gate_enter(struct gate *gate, const struct sockaddr *address)
{
    struct gate_client client;

    if (!client_of(address, &client))
        return true;
    pthread_mutex_lock(&gate->lock);
    struct gate_place *place = &gate->places[find(gate, &client)];
    bool enters = place->count < gate->limit;
    if (enters) {
        place->client = client;
        place->count++;
    }
    pthread_mutex_unlock(&gate->lock);
    return enters;
}

/* Frees a place and moves up those behind it that would otherwise not be found past the gap. */
static void close_gap(struct gate *gate, uint32_t gap)
{
    for (uint32_t at = (gap + 1) & gate->mask; gate->places[at].count > 0; at = (at + 1) & gate->mask) {
        uint32_t home = home_of(gate, &gate->places[at].client);
        if (((at - home) & gate->mask) < ((at - gap) & gate->mask))
            continue;
        gate->places[gap] = gate->places[at];
        gate->places[at].count = 0;
        gap = at;
    }
}

void gate_leave(struct gate *gate, const struct sockaddr *address)
{
    struct gate_client client;

    if (!client_of(address, &client))
        return;
    pthread_mutex_lock(&gate->lock);
    uint32_t at = find(gate, &client);
    ASSERT(gate->places[at].count > 0);
    if (--gate->places[at].count == 0)
        close_gap(gate, at);
    pthread_mutex_unlock(&gate->lock);
}
