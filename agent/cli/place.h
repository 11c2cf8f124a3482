/* How people name a network namespace: by a path, or as `ip netns` does. */
#pragma once

/* The path that `word` means: /run/netns/WORD, or the word itself if it has a slash, made whole as
 * far as that goes. For free(). */
char *place_path(const char *word);

/* The container id that attach gives to a namespace unless told another: "plain-" and its name, or
 * its inode when it has no name of its own (/proc/4711/ns/net). NULL when it has neither, because
 * it is gone. For free(). */
char *place_id(const char *path);
