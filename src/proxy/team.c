/* Loads that reactors publish and read of each other, relaxed: a number that is a moment old sends a connection to the
 * second-best place. */
#include "proxy/team.h"

#include <stdatomic.h>

#include "base/err.h"
#include "base/lines.h"

struct member {
    struct reactor *reactor;  /* fixed */
    _Atomic uint32_t clients; /* its own */
    _Atomic uint32_t coming;  /* others add, it takes away */
    char line[LINE_BYTES - sizeof(struct reactor *) - 2 * sizeof(uint32_t)];
};

_Static_assert(sizeof(struct member) == LINE_BYTES, "a member has a line for itself");

struct team {
    /* fixed */
    uint32_t count;
    uint32_t slack;
    /* shared */
    _Atomic uint32_t shortages;
    char line[LINE_BYTES - 3 * sizeof(uint32_t)];
    struct member members[];
};

/* start-up only: one a server. */
int team_create(uint32_t members, uint32_t slack, struct team **ret_team)
{
    struct team *team = lines_take(members + 1, LINE_BYTES);

    if (!team)
        return -ERR_NO_MEMORY;
    team->count = members;
    team->slack = slack;
    *ret_team = team;
    return 0;
}

void team_destroy(struct team **destroyed)
{
    lines_give(*destroyed);
    *destroyed = NULL;
}

void team_join(struct team *team, uint32_t member, struct reactor *reactor)
{
    ASSERT(member < team->count);
    team->members[member].reactor = reactor;
}

void team_note(struct team *team, uint32_t member, uint32_t clients)
{
    atomic_store_explicit(&team->members[member].clients, clients, memory_order_relaxed);
}

static uint32_t load_of(struct member *member)
{
    return atomic_load_explicit(&member->clients, memory_order_relaxed) +
           atomic_load_explicit(&member->coming, memory_order_relaxed);
}

static bool is_ahead(const struct team *team, uint32_t mine, uint32_t fewest)
{
    return mine >= fewest + (fewest / 4 > team->slack ? fewest / 4 : team->slack);
}

struct reactor *team_choose(struct team *team, uint32_t member, uint32_t *ret_other)
{
    uint32_t mine = load_of(&team->members[member]), fewest = mine, other = member;

    if (mine < team->slack)
        return NULL;
    for (uint32_t i = 0; i < team->count; i++) {
        uint32_t load = load_of(&team->members[i]);
        if (load >= fewest || !team->members[i].reactor)
            continue;
        fewest = load;
        other = i;
    }
    if (!is_ahead(team, mine, fewest))
        return NULL;
    struct member *chosen = &team->members[other];
    if (atomic_fetch_add_explicit(&chosen->coming, 1, memory_order_relaxed) >= TEAM_COMING_MAX) {
        team_arrived(team, other);
        return NULL;
    }
    *ret_other = other;
    return chosen->reactor;
}

void team_arrived(struct team *team, uint32_t member)
{
    atomic_fetch_sub_explicit(&team->members[member].coming, 1, memory_order_relaxed);
}

void team_note_shortage(struct team *team)
{
    atomic_fetch_add_explicit(&team->shortages, 1, memory_order_relaxed);
}

uint32_t team_shortages(const struct team *team)
{
    return atomic_load_explicit(&team->shortages, memory_order_relaxed);
}
