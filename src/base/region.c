/* A memfd, sealed so that only the mapping made here may ever write. Made by the keeper before it forks. */
#include "base/region.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"

int region_create(struct region *region, size_t room)
{
    *region = (struct region){.room = room, .fd = memfd_create("ballast-region", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    if (region->fd < 0)
        return err_from_errno(errno);
    void *base = ftruncate(region->fd, (off_t)room) == 0
                     ? mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, region->fd, 0)
                     : MAP_FAILED;
    if (base == MAP_FAILED) {
        int code = err_from_errno(errno);
        close(region->fd);
        *region = (struct region){.fd = -1};
        return code;
    }
    region->base = base;
    /* Kernels before 5.1 do not know the last: there a reader could become a writer. */
    (void)fcntl(region->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
    (void)fcntl(region->fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE);
    return 0;
}

void region_destroy(struct region *region)
{
    if (!region->base)
        return;
    munmap(region->base, region->room);
    if (region->fd >= 0)
        close(region->fd);
    *region = (struct region){.fd = -1};
}

void *region_take(struct region *region, size_t n)
{
    size_t align = _Alignof(max_align_t), start = (region->used + align - 1) / align * align;

    ASSERT(n > 0);
    if (start > region->room || n > region->room - start)
        return NULL;
    region->used = start + n;
    return region->base + start;
}

void region_reset(struct region *region)
{
    region->used = 0;
}

int region_read_only(struct region *region)
{
    if (mmap(region->base, region->room, PROT_READ, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, region->fd, 0) ==
        MAP_FAILED)
        return err_from_errno(errno);
    close(region->fd);
    region->fd = -1;
    return 0;
}
