/* Addresses and the system calls that make sockets: everything about a descriptor before a loop has it.
 */
#ifndef IO_SOCK_H
#define IO_SOCK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/str.h"

struct sock_addr {
    struct sockaddr_storage storage;
    socklen_t len;
    bool dual_stack; /* to listen on [::]: IPv4 connections come there too */
};

/* Length of a sockaddr by its family. */
socklen_t sock_addr_len(const struct sockaddr_storage *storage);

/* An address as people write it: `3001` and `:3001` (port of default_host), `host:3001`, `[::1]:3001`,
 * `http://host:3001` (without a port: 80), `unix:/path`. Only split here: host may be a name. */
struct sock_name {
    struct str host; /* empty for a Unix socket; without brackets */
    uint16_t port;
    struct str path; /* of a Unix socket, else empty */
};
enum { SOCK_TEXT_MAX = 128 };

/* 0, or -ERR_BAD_ADDRESS with *ret_why a sentence that says what is wrong ("the port must be 1 to 65535"). Slices
 * point into text or default_host. */
MUST_CHECK int sock_name_parse(struct str text, struct str default_host, struct sock_name *ret_name,
                               const char **ret_why);
/* A numeric host, or a Unix path, to an address without asking anyone; -ERR_NAME_NOT_FOUND for a name. */
MUST_CHECK int sock_addr_numeric(const struct sock_name *name, struct sock_addr *ret_addr);
/* `127.0.0.1:3001`, `[::1]:3001`, `unix:/path` into out (room for SOCK_TEXT_MAX; longer paths are cut). */
struct str sock_addr_text(char *out, const struct sockaddr_storage *storage);
/* Only the host part, without brackets or port; "unix" for a Unix socket. */
struct str sock_host_text(char *out, const struct sockaddr_storage *storage);
uint16_t sock_addr_port(const struct sockaddr_storage *storage);
bool sock_addr_equal(const struct sockaddr_storage *a, const struct sockaddr_storage *b);
/* A hash (of base/str.h) gone on with by the address: the same for those that are equal. */
uint32_t sock_addr_hash(uint32_t hash, const struct sockaddr_storage *storage);

/* A bound, listening, non-blocking descriptor; [::] takes no IPv4 connections, unless it is told to. reuse_port:
 * several may share the address. Accepted TCP sockets send without delay. A stale Unix socket file nobody listens on is
 * replaced. Returns the descriptor or a negative code: -ERR_ADDRESS_IN_USE, -ERR_NO_PERMISSION, -ERR_BAD_ADDRESS,
 * -ERR_NO_DESCRIPTORS, -ERR_SYSTEM. */
MUST_CHECK int sock_listen(const struct sock_addr *addr, int backlog, bool reuse_port);
/* For a listening socket whose clients speak first: a connection is shown when its first bytes are there, or about a
 * second later without them. Where the system has no such thing nothing changes. */
void sock_defer_accept(int fd);
/* Could somebody listen on this TCP address now, alone? Asked without listening, so that no client is accepted
 * meanwhile. 0, or a code as above. */
MUST_CHECK int sock_check_free(const struct sock_addr *addr);

#endif
