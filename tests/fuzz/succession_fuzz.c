/* What a keeper leaves to the program that it becomes: what was read is within its bounds, and written and read again
 * it is the same.
 *
 * The input is the file's text, behind its first line if it does not begin with one.
 */
#include "fuzz.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "main/succession.h"

enum { MOST = 1 << 16 };

static int file_of(const uint8_t *bytes, size_t n)
{
    static const char first[] = "ballast-succession 1\n";
    int fd = memfd_create("succession-fuzz", MFD_CLOEXEC);
    bool bare = n < 8 || memcmp(bytes, first, 8) != 0;

    ASSERT(fd >= 0);
    ASSERT(!bare || write(fd, first, sizeof(first) - 1) == (ssize_t)sizeof(first) - 1);
    ASSERT(write(fd, bytes, n) == (ssize_t)n);
    return fd;
}

static size_t text_of(int fd, char *text)
{
    ASSERT(lseek(fd, 0, SEEK_SET) == 0);
    ssize_t n = read(fd, text, 8 * MOST);
    ASSERT(n >= 0 && n < 8 * MOST);
    return (size_t)n;
}

static void check(const struct succession *read)
{
    ASSERT(read->server > 0 && read->link >= 0);
    ASSERT(memchr(read->version, 0, sizeof(read->version)));
    for (uint32_t i = 0; i < read->sockets.listeners; i++) {
        ASSERT(read->sockets.addrs[i].len <= sizeof(read->sockets.addrs[i].storage));
        ASSERT(memchr(read->sockets.files[i].path, 0, sizeof(read->sockets.files[i].path)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static char text[8 * MOST], text_again[8 * MOST];
    struct succession read, again;

    if (n > MOST || succession_read(file_of(bytes, n), &read) != 0)
        return 0;
    check(&read);
    int fd = succession_write(&read), other = dup(fd);
    ASSERT(fd >= 0 && other >= 0);
    ASSERT(succession_read(fd, &again) == 0);
    int last = succession_write(&again);
    ASSERT(last >= 0);
    size_t length = text_of(other, text);
    ASSERT(length == text_of(last, text_again) && memcmp(text, text_again, length) == 0);
    close(other);
    close(last);
    succession_free(&read);
    succession_free(&again);
    return 0;
}
