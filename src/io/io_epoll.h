/* The epoll backend: works in every container, and is the default.
 *
 * One edge-triggered registration lasts for a socket's life; a call is tried before waiting unless it is known to be
 * in vain. A receive that filled less than it could means that the socket is empty: the next edge is waited for.
 */
#ifndef IO_IO_EPOLL_H
#define IO_IO_EPOLL_H

struct io_backend;

extern const struct io_backend io_epoll_backend;

#endif
