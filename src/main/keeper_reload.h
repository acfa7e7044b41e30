/* The keeper's part in a reload: has the configuration loaded, binds what is new, hands it over, and takes note of what
 * the server made of it.
 */
#ifndef MAIN_KEEPER_RELOAD_H
#define MAIN_KEEPER_RELOAD_H

#include "main/keeper.h"

/* Begins, or remembers to when what is under way is over. */
void keeper_reload(struct keeper *keeper, enum link_purpose purpose);
/* The server has said something. False: it is none of this. */
bool keeper_reload_hear(struct keeper *keeper, const struct link_message *message);
/* Something may have happened: the loading child has ended. */
void keeper_reload_look(struct keeper *keeper);
/* The server has died: what it was offered is void, and the next one begins with what was last good. */
void keeper_reload_forget(struct keeper *keeper);
/* The keeper ends. */
void keeper_reload_stop(struct keeper *keeper);

#endif
