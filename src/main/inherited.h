/* Sockets that whoever started Ballast has opened: a number, or a name from systemd's LISTEN_FDNAMES.
 */
#ifndef MAIN_INHERITED_H
#define MAIN_INHERITED_H

#include "control/config.h"

enum { INHERITED_WHY_MAX = 240 };

/* A descriptor of our own for the socket that the address names, non-blocking and listening; the inherited one stays
 * open, so that a configuration that names it again finds it. A code, with a sentence in why, when there is none or it
 * is no listening stream socket. */
MUST_CHECK int inherited_open(const struct config_address *address, char why[INHERITED_WHY_MAX]);
/* Are these two descriptors of one socket? */
bool inherited_same(int a, int b);

#endif
