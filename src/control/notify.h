/* Tells a service manager that started us how far we are: systemd's notification protocol (sd_notify(3)).
 *
 * Datagrams to the socket that the environment names; without one, nothing is done. Any thread, after notify_open.
 */
#ifndef CONTROL_NOTIFY_H
#define CONTROL_NOTIFY_H

#include <stdint.h>

/* Connects to the manager that NOTIFY_SOCKET names, before the process gives up files and system calls. A descriptor
 * for notify_say, or -1: nobody wants to know. */
int notify_open(void);
/* `state` is one or more lines of the protocol: "READY=1". Lost when the manager does not read. -1 is harmless. */
void notify_say(int notify, const char *state);
/* How often the manager wants WATCHDOG=1, in milliseconds: half of what it allows; 0: it does not. */
uint32_t notify_watchdog_ms(void);

#endif
