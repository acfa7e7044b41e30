/* The reactors of one server, as they see each other: the system spreads new connections over their sockets by hash, so
 * that of a hundred long-lived ones a reactor may get half as many again as its share. Who is clearly ahead passes the
 * next one on (ADR 0023).
 *
 * Shared, without a lock: what a member says of itself stands on a line of its own, which it writes once a connection.
 */
#ifndef PROXY_TEAM_H
#define PROXY_TEAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"

struct team;
struct reactor;

enum {
    TEAM_SLACK = 8,       /* the usual one */
    TEAM_COMING_MAX = 64, /* passed on to a member and not yet looked at */
    TEAM_GONE = 1 << 30,  /* as a number of clients: it takes no more */
};

/* Nobody is ahead by less than `slack` clients (at least 1), nor by less than a quarter. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int team_create(uint32_t members, uint32_t slack, struct team **ret_team);
/* Nulls. No member runs. */
void team_destroy(struct team **team);
/* Before any member runs. */
void team_join(struct team *team, uint32_t member, struct reactor *reactor);

/* These are a member's own, on its thread. How many clients it has. */
void team_note(struct team *team, uint32_t member, uint32_t clients);
/* Who shall have the client that it has accepted: another that has fewest, with a place reserved there (team_arrived
 * gives it back), or NULL: it keeps it. */
struct reactor *team_choose(struct team *team, uint32_t member, uint32_t *ret_other);
void team_arrived(struct team *team, uint32_t member);
/* It is out of descriptors, and has no idle worker connections left to close. */
void team_note_shortage(struct team *team);
/* How often that was said by anyone. */
uint32_t team_shortages(const struct team *team);

#endif
