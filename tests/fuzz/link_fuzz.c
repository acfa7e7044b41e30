/* Messages between the keeper and its server: whatever comes in a packet, with descriptors or without, is a message
 * within its bounds or the other end is taken for gone; each descriptor is there once; and what was received can be
 * sent and is received the same.
 *
 * Packets: a byte with how many descriptors go with it (the low two bits), two with its length, then its bytes.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/link.h"

enum { FDS = 3, HEAD = 12 };

static struct link_message message, again;

static void send_packet(int end, const uint8_t *bytes, size_t n, size_t fds, int fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int[FDS]))];
    } control;
    struct iovec part = {(void *)(uintptr_t)bytes, n};
    struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1};

    memset(&control, 0, sizeof(control));
    if (fds > 0) {
        packet.msg_control = control.bytes;
        packet.msg_controllen = CMSG_SPACE(fds * sizeof(int));
        *CMSG_FIRSTHDR(&packet) = (struct cmsghdr){CMSG_LEN(fds * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
        for (size_t i = 0; i < fds; i++)
            memcpy(CMSG_DATA(CMSG_FIRSTHDR(&packet)) + i * sizeof(int), &fd, sizeof(int));
    }
    ASSERT(sendmsg(end, &packet, MSG_NOSIGNAL) == (ssize_t)n);
}

static void close_fds(const struct link_message *closed)
{
    for (uint32_t i = 0; i < closed->fd_count; i++) {
        ASSERT(fcntl(closed->fds[i], F_GETFD) & FD_CLOEXEC);
        ASSERT(close(closed->fds[i]) == 0);
    }
}

static void check_again(const int ends[2])
{
    ASSERT(memchr(message.text, 0, sizeof(message.text)));
    ASSERT(link_send(ends[1], &message) == 0);
    ASSERT(link_receive(ends[0], &again) == 1);
    ASSERT(again.kind == message.kind && again.purpose == message.purpose && again.number == message.number);
    ASSERT(again.fd_count == message.fd_count && strcmp(again.text, message.text) == 0);
    close_fds(&again);
}

static void one(const int ends[2], const uint8_t *bytes, size_t n, size_t fds)
{
    send_packet(ends[0], bytes, n, fds, ends[0]);
    int result = link_receive(ends[1], &message);
    ASSERT(n < HEAD ? result < 0 : result == 1);
    if (result < 0)
        return;
    ASSERT(message.fd_count == fds);
    check_again(ends);
    close_fds(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    int ends[2];

    ASSERT(link_create(ends) == 0);
    while (n >= 3) {
        size_t length = bytes[1] | (size_t)bytes[2] << 8;
        length = length < n - 3 ? length : n - 3;
        one(ends, bytes + 3, length, bytes[0] & 3);
        bytes += 3 + length;
        n -= 3 + length;
    }
    ASSERT(link_receive(ends[1], &message) == 0);
    close(ends[0]);
    ASSERT(link_receive(ends[1], &message) < 0);
    close(ends[1]);
    return 0;
}
