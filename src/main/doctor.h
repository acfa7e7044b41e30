/* `ballast doctor`: what of this machine stands in the way of a configuration, each finding with its remedy.
 */
#ifndef MAIN_DOCTOR_H
#define MAIN_DOCTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "control/config.h"

/* What was found; numbers that could not be found are 0. */
struct doctor_facts {
    uint64_t descriptors, descriptors_wanted; /* the hard limit, and what the configuration may need */
    uint64_t backlog;                         /* net.core.somaxconn */
    uint64_t ports;                           /* how many local ports connections to workers can have */
    uint64_t worker_connections;              /* most that may be open to one worker */
    uint32_t processors;                      /* this process may use; quota respected */
    uint32_t threads;                         /* that the configuration asks for; 0: auto */
    uint64_t low_port;                        /* the lowest port an ordinary user may listen on */
    uint32_t privileged_port;                 /* the lowest port that is listened on */
    bool may_bind;                            /* this user may listen on any port */
    bool clock_synchronised;
    int landlock;           /* its version; 0: there is none */
    bool seccomp;           /* filters can be set */
    bool io_uring;          /* a ring can be made */
    bool kernel_tls;        /* the kernel offers TLS for sockets, and the library can use it */
    bool kernel_tls_wanted; /* by a listener */
    bool sandbox_on;        /* the configuration wants it */
};

/* Looks at this machine, as this user. */
void doctor_look(const struct config *config, struct doctor_facts *ret_facts);
/* A line for each thing looked at: `ok`, `note`, `warn` or `bad`, its name, what was found and, where there is
 * something, what to do. Returns how many are bad: with those Ballast would not start, or not serve as configured. */
unsigned doctor_print(const struct doctor_facts *facts, FILE *out);

#endif
