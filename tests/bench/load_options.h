/*
 * load_options.h: the load generator's command line, and the plan made of it.
 */
#ifndef GATEPOST_BENCH_LOAD_OPTIONS_H
#define GATEPOST_BENCH_LOAD_OPTIONS_H

#include "tests/bench/load_plan.h"

struct load_options {
    struct load_plan plan;
    uint32_t operations;  /* sessions in all */
    uint32_t concurrency; /* at once; with hold: of those that are not yet idle */
    bool forever;         /* until the end of standard input, instead of OPERATIONS */
    unsigned timeout;     /* seconds for all */
};

/* Reads the command line; ends the program with a message if it is wrong. */
void load_options_read(int argc, char **argv, struct load_options *options);

#endif
