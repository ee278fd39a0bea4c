/*
 * version.h: Postfix version numbers as compatibility_level and the <level operators know them.
 */
#ifndef GATEPOST_POLICY_VERSION_H
#define GATEPOST_POLICY_VERSION_H

/* Parse "major", "major.minor" or "major.minor.patch" (minor and patch up to 1023) into a number
 * that orders as the versions do. Returns 0, or -1 if TEXT is anything else. */
int version_parse(const char *text, long *level);

#endif
