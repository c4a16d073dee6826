/** Volumes of a running cluster, for the commands that make, list and delete them. */
