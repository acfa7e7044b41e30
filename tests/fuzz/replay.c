/* Runs a harness over the files of its corpus: what was once found is tried in every test run, with any compiler.
 *
 *     x_fuzz PATH...     each a file, or a directory whose files are all tried
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fuzz.h"

enum { FILE_MAX = 1 << 20, PATH_LENGTH = 4096 };

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(FILE_MAX);
    if (!file || !bytes) {
        perror(path);
        exit(2);
    }
    size_t n = fread(bytes, 1, FILE_MAX, file);
    fclose(file);
    /* As long as the input, so that a sanitizer sees a read past it. */
    uint8_t *exact = realloc(bytes, n > 0 ? n : 1);
    (void)LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    return 1;
}

static int replay_directory(const char *path)
{
    int count = 0;
    DIR *directory = opendir(path);
    if (!directory) {
        perror(path);
        exit(2);
    }
    for (struct dirent *entry; (entry = readdir(directory));) {
        char name[PATH_LENGTH];
        if (entry->d_name[0] != '.' && snprintf(name, sizeof(name), "%s/%s", path, entry->d_name) < PATH_LENGTH)
            count += replay_file(name);
    }
    closedir(directory);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++) {
        struct stat info;
        count += stat(argv[i], &info) == 0 && S_ISDIR(info.st_mode) ? replay_directory(argv[i]) : replay_file(argv[i]);
    }
    printf("%d inputs\n", count);
    if (count == 0)
        fputs("no inputs: the corpus is empty\n", stderr);
    return count > 0 ? 0 : 1;
}
