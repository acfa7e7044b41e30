/* The server's part in an upgrade, in which a new program takes the place of this one (docs/upgrade.md): first as the
 * one that takes over, later as the one that is replaced.
 *
 * The keeper leads; it speaks through the link. A server that is to be replaced tells what it knows, stops accepting
 * when the next one is ready, and goes on telling what it counts until it ends. Control thread only.
 */
#ifndef CONTROL_UPGRADE_H
#define CONTROL_UPGRADE_H

#include "control/link.h"
#include "control/metric_text.h"

struct upgrade_options {
    struct io *io;
    int link;                       /* to the keeper; -1: there is none */
    struct metric_sources *sources; /* what is told */
    struct roster *roster;
    struct prober *prober;
    struct reload *reload;     /* who has what was changed at run time */
    struct account *inherited; /* what servers before have counted; one of the sources' accounts */
    uint32_t number;           /* of upgrades before this server, those that failed too */
    const char *before;        /* version of the one that this server replaces; NULL: none */
    /* The next server has everything: accept no more, and end when the last client is served. */
    void (*retire)(void *context);
    void *context;
};

struct upgrade;

enum upgrade_state { UPGRADE_NONE, UPGRADE_WAITING, UPGRADE_FAILED, UPGRADE_DONE };

struct upgrade_view {
    enum upgrade_state state;
    uint32_t number;      /* of upgrades: the one that is under way, and those that failed, included */
    const char *sentence; /* what became of it, and why */
};

/* 0 or -ERR_NO_MEMORY. */
MUST_CHECK int upgrade_create(const struct upgrade_options *options, struct upgrade **ret_upgrade);
/* NULL is harmless. */
void upgrade_destroy(struct upgrade **upgrade);
/* Before reactors and prober start: says to the keeper that all is made ready, waits until the server before has
 * stopped accepting, and takes what it knew. told_fd: what it had told before, for when it tells no more. 0, or
 * -ERR_CANCELLED: the keeper is gone. */
MUST_CHECK int upgrade_take_over(struct upgrade *upgrade, int told_fd);
/* Any thread: what a metrics page tells. Of a server that was replaced no more than the next one was told, so that a
 * counter never goes back for whoever asks the one and then the other. */
const struct metric_sources *upgrade_sources(const struct upgrade *upgrade);
/* A message that is none of a reload's. */
void upgrade_hear(struct upgrade *upgrade, const struct link_message *message);
/* Asks the keeper. 0, -ERR_FULL: one is under way, or another code: there is no keeper. */
MUST_CHECK int upgrade_ask(struct upgrade *upgrade);
struct upgrade_view upgrade_look(const struct upgrade *upgrade);
/* The server ends: what it came to in the end is told, if it was replaced. */
void upgrade_finish(struct upgrade *upgrade);

#endif
