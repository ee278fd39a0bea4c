/*
 * corpus_main.c: a fuzz target's main() without a fuzzer: every file of the folder that is named on
 * the command line, once, in the order of names. Prints what a cmocka test prints, so that each
 * file counts as a test.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Run one file, from memory that ends with it. */
static void run(const char *folder, const char *name)
{
    static uint8_t bytes[INPUT_MAX];
    char path[1024];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    uint8_t *exact = malloc(size > 0 ? size : 1);
    if (exact == NULL) {
        abort();
    }
    memcpy(exact, bytes, size);
    printf("[ RUN      ] %s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(exact, size);
    printf("[       OK ] %s\n", path);
    free(exact);
}

int main(int argc, char **argv)
{
    struct dirent **entries = NULL;
    int count = argc == 2 ? scandir(argv[1], &entries, NULL, alphasort) : -1;
    int done = 0;

    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.') {
            run(argv[1], entries[i]->d_name);
            done++;
        }
        free(entries[i]);
    }
    free(entries);
    if (done == 0) {
        fprintf(stderr, "%s: no inputs\n", argc == 2 ? argv[1] : "corpus_main");
        return 1;
    }
    return 0;
}
