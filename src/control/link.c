/* SOCK_SEQPACKET keeps messages apart and tells of a gone peer; descriptors travel as SCM_RIGHTS. Between the keeper's
 * only thread and the server's control thread. */
#include "control/link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct head {
    uint32_t kind, purpose, number;
};

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int[LINK_FDS_MAX]))];
};

int link_create(int ret_ends[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_ends) == 0 ? 0
                                                                                                : err_from_errno(errno);
}

static void attach(struct msghdr *packet, union control *control, const struct link_message *message)
{
    size_t bytes = message->fd_count * sizeof(int);

    if (bytes == 0)
        return;
    packet->msg_control = control->bytes;
    packet->msg_controllen = CMSG_SPACE(bytes);
    struct cmsghdr *part = CMSG_FIRSTHDR(packet);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(bytes);
    memcpy(CMSG_DATA(part), message->fds, bytes);
}

int link_send(int end, const struct link_message *message)
{
    struct head head = {message->kind, message->purpose, message->number};
    struct iovec parts[] = {{&head, sizeof(head)},
                            {(void *)(uintptr_t)message->text, strnlen(message->text, LINK_TEXT_MAX - 1)}};
    struct msghdr packet = {.msg_iov = parts, .msg_iovlen = ARRAY_SIZE(parts)};
    union control control = {.bytes = {0}};

    ASSERT(message->fd_count <= LINK_FDS_MAX);
    attach(&packet, &control, message);
    return sendmsg(end, &packet, MSG_NOSIGNAL) < 0 ? err_from_errno(errno) : 0;
}

static void take_fds(struct msghdr *packet, struct link_message *message)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(packet); part; part = CMSG_NXTHDR(packet, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count && message->fd_count < LINK_FDS_MAX; i++)
            memcpy(&message->fds[message->fd_count++], CMSG_DATA(part) + i * sizeof(int), sizeof(int));
    }
}

int link_receive(int end, struct link_message *ret_message)
{
    struct head head;
    struct iovec parts[] = {{&head, sizeof(head)}, {ret_message->text, LINK_TEXT_MAX - 1}};
    union control control;
    struct msghdr packet = {.msg_iov = parts,
                            .msg_iovlen = ARRAY_SIZE(parts),
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof(control.bytes)};
    ssize_t n = recvmsg(end, &packet, MSG_CMSG_CLOEXEC);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n < 0)
        return err_from_errno(errno);
    ret_message->fd_count = 0;
    take_fds(&packet, ret_message);
    if (n < (ssize_t)sizeof(head)) {
        for (uint32_t i = 0; i < ret_message->fd_count; i++)
            close(ret_message->fds[i]);
        return -ERR_CONN_CLOSED;
    }
    ret_message->kind = (enum link_kind)head.kind;
    ret_message->purpose = (enum link_purpose)head.purpose;
    ret_message->number = head.number;
    ret_message->text[(size_t)n - sizeof(head)] = '\0';
    return 1;
}
