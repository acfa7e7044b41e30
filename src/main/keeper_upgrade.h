/* The keeper's part in an upgrade (docs/upgrade.md). The program that runs has a child of the new one say whether it
 * can read the configuration, and becomes it; that starts a server beside the one that runs, has that tell what it
 * knows and stop accepting, and lets the next one begin. Whatever fails before leaves the server that runs as it is.
 */
#ifndef MAIN_KEEPER_UPGRADE_H
#define MAIN_KEEPER_UPGRADE_H

#include "main/keeper.h"

/* What a rehearsal says on standard output when it can. */
#define KEEPER_CAN_TAKE_OVER "ballast " BALLAST_VERSION " can take over"

/* Was this process another program before, or is it to say whether it could be? 0, or a code that was said. */
MUST_CHECK int keeper_upgrade_inherit(struct keeper *keeper);
/* Goes on where the program before stopped. */
void keeper_upgrade_begin(struct keeper *keeper);
/* Begins one, or remembers to when what is under way is over. */
void keeper_upgrade(struct keeper *keeper);
/* A server has said something. */
void keeper_upgrade_hear(struct keeper *keeper, const struct link_message *message);
/* Something may have happened: a child has ended, or a time is over. */
void keeper_upgrade_look(struct keeper *keeper);
/* Until keeper_upgrade_look is wanted though nothing happens, in milliseconds; -1: not at all. */
int64_t keeper_upgrade_wait_ms(const struct keeper *keeper);
/* Is there a server, or one that takes its place without a pause? */
bool keeper_upgrade_has_server(const struct keeper *keeper);
/* Is the server one that can be given another configuration now? */
bool keeper_upgrade_lets_reload(const struct keeper *keeper);
/* All is to stop: gives up what is under way. */
void keeper_upgrade_stop(struct keeper *keeper);
/* In a server that was forked: nothing of this is its own. */
void keeper_upgrade_disown(struct keeper *keeper);
void keeper_upgrade_release(struct keeper *keeper);

#endif
