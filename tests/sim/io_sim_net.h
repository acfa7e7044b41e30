/* The inside of the simulated net, shared by io_sim_net.c (time, connections), io_sim.c (the backend) and io_sim_peer.c
 * (scripts).
 */
#ifndef TESTS_SIM_IO_SIM_NET_H
#define TESTS_SIM_IO_SIM_NET_H

#include "base/list.h"
#include "base/rand.h"
#include "tests/sim/io_sim.h"

/* Zeroed memory, asserted to be there; given back by free. Not by malloc: tests that make the n-th allocation of the
 * code under test fail do not count the net's own. */
void *sim_take(size_t n);

/* Bytes in order: appended behind, dropped in front. */
struct sim_bytes {
    char *p;
    size_t head;
    size_t n;
    size_t cap;
};

void sim_bytes_append(struct sim_bytes *bytes, const void *from, size_t n);
void sim_bytes_drop(struct sim_bytes *bytes, size_t n);
void sim_bytes_free(struct sim_bytes *bytes);
static inline struct str sim_bytes_all(const struct sim_bytes *bytes)
{
    return str_slice(bytes->n > 0 ? bytes->p + bytes->head : "", bytes->n);
}

struct sim_link;

struct sim_end {
    struct list link; /* a listener's backlog */
    struct io_sim_net *net;
    struct sim_link *pair;
    struct sim_end *peer;
    struct io_sock *sock;       /* of the loop that adopted it */
    struct io_sim_peer *script; /* or the script that has it */
    struct sim_bytes in;        /* sent by the other side */
    size_t arrived;             /* of these the first may be read */
    int64_t last_arrival_ns;
    struct sockaddr_storage address;
    int fd;         /* -1: none */
    bool open;      /* someone holds this end */
    bool connected; /* the other end is known to have a place to be accepted */
    bool refused;
    bool fin_sent;
    bool ended;   /* the other side's end arrived */
    bool reset;   /* the other side's reset arrived */
    bool blocked; /* wanted to send and found no room */
};

struct sim_link {
    uint32_t refs; /* open ends and events on their way */
    bool dark;     /* what is sent from now on is lost */
    struct sim_end ends[2];
};

/* How many loops may have a listening socket at the same time: as processes do after a descriptor was handed on. */
enum { SIM_SHARERS = 2 };

struct sim_listener {
    struct list link;
    struct io_sim_net *net;
    struct io_sock *socks[SIM_SHARERS]; /* of loops that adopted one of its descriptors; NULL: none */
    struct sockaddr_storage address;
    struct list backlog;
    int waiting;
    int refs; /* descriptors */
    int fd;   /* the first of them */
    bool scripted;
    io_sim_accept_fn on_accept;
    void *context;
};

enum sim_fd_kind { SIM_FD_FREE, SIM_FD_END, SIM_FD_LISTENER };

enum { SIM_DARK_MAX = 16 };

struct sim_fd {
    enum sim_fd_kind kind;
    void *object;
};

struct sim_loop {
    struct list link;
    struct list again; /* accepts that used up their burst: io_op.link */
    struct io *io;
    struct io_sim_net *net;
};

struct io_sim_net {
    struct io_sim_limits limits;
    struct rand_gen rand;
    int64_t now_ns;
    struct list loops;
    struct list listeners;
    struct list events; /* by time, then by order of posting */
    struct sim_fd *fds;
    int fd_count;
    uint32_t open_ends;
    uint64_t digest;
    struct sockaddr_storage dark[SIM_DARK_MAX];
    int dark_count;
    int64_t wall_offset_ns;
    uint16_t next_port;
    bool delivering;
};

enum sim_event_kind { SIM_SYN, SIM_SYN_ACK, SIM_REFUSED, SIM_DATA, SIM_FIN, SIM_RST, SIM_WINDOW, SIM_TIMER };

/* The net that exists, or NULL. */
struct io_sim_net *sim_net_current(void);
/* Delivers what is due by now. */
void sim_net_deliver(struct io_sim_net *net);
/* When the next event is due; INT64_MAX: none. */
int64_t sim_net_next_ns(const struct io_sim_net *net);
/* Moves the clock of the net and of its loops. */
void sim_net_advance(struct io_sim_net *net, int64_t now_ns);

int sim_fd_take(struct io_sim_net *net, enum sim_fd_kind kind, void *object);
void *sim_fd_find(struct io_sim_net *net, int fd, enum sim_fd_kind kind);
enum sim_fd_kind sim_fd_kind(struct io_sim_net *net, int fd);
void sim_fd_give(struct io_sim_net *net, int fd);

/* A new pair of which the first end is open and not connected. */
struct sim_end *sim_end_create(struct io_sim_net *net);
/* Opens the second end too: connected at once. */
void sim_end_join(struct sim_end *end);
void sim_end_connect(struct sim_end *end, const struct sockaddr_storage *to);
/* How many of n bytes were taken; 0: no room, a window event will come. */
size_t sim_end_send(struct sim_end *end, const void *bytes, size_t n);
size_t sim_end_room(const struct sim_end *end);
/* Up to n arrived bytes. */
size_t sim_end_read(struct sim_end *end, void *out, size_t n);
void sim_end_shutdown(struct sim_end *end);
void sim_end_close(struct sim_end *end, bool reset);
/* Resets both ends from between them. */
void sim_end_break(struct sim_end *end);

struct sim_listener *sim_listener_create(struct io_sim_net *net, const struct sockaddr_storage *address);
/* The next waiting end, or NULL. */
struct sim_end *sim_listener_pop(struct sim_listener *listener);
/* One of its descriptors; with the last of them goes the socket, and who waits there is reset. sock: the loop's, or
 * NULL. */
void sim_listener_close(struct sim_listener *listener, int fd, const struct io_sock *sock);

/* Something happened to an end or a listener of a loop (io_sim.c) or of a script (io_sim_peer.c). */
void sim_sock_poke(struct sim_end *end);
void sim_accept_poke(struct sim_listener *listener);
void sim_peer_poke(struct io_sim_peer *peer);
void sim_peer_accept_poke(struct sim_listener *listener);

#endif
