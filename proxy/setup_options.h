/*
 * setup_options.h: the options of "gatepost setup".
 */
#ifndef GATEPOST_PROXY_SETUP_OPTIONS_H
#define GATEPOST_PROXY_SETUP_OPTIONS_H

#include "proxy/setup.h"

/* Read ARGV (ARGV[0] is the command) into REQUEST, all of which but the directory and the overrides
 * is set here. Strings are borrowed from ARGV. Returns NULL, or what is wrong (static text). */
const char *setup_options_parse(int argc, char **argv, struct setup_request *request);

#endif
