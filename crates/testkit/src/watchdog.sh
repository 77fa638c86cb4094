# $1: the folder of the server. Runs as leader of a process group of its own, which the server joins.
# Standard input is a pipe whose other end only the test process holds, so its end, however it comes
# about, is the end of this file. Then everything of the server is killed and the folder removed.
folder=$1
trap '' HUP INT QUIT TERM
while read -r _; do :; done

# Sets $found to the live processes of the server: our group, and those that have left it (PostgreSQL
# puts each backend into a session of its own) but kept the mark in the environment or a working
# folder below ours (PostgreSQL writes over its environment).
look() {
    found=
    # One cat, because the shell itself would read byte by byte.
    stats=$(cat /proc/[0-9]*/stat 2>/dev/null)
    IFS='
'
    for line in $stats; do
        unset IFS
        # After the name, which may contain anything: state, parent, process group.
        set -- "${line%% *}" ${line##*) }
        # Not this shell, nor the cat, whose parent it is; the server is a child of the test process.
        if [ "$4" = $$ ] && [ "$2" != Z ] && [ "$3" != $$ ] && [ "$1" != $$ ]; then found="$found $1"; fi
    done
    unset IFS
    for path in $(grep -lsF "CARTWRIGHT_TESTKIT_FOLDER=$folder" /proc/[0-9]*/environ); do
        path=${path#/proc/}
        found="$found ${path%/environ}"
    done
    found="$found $(ls -l /proc/[0-9]*/cwd 2>/dev/null |
        sed -n "s#.*/proc/\([0-9]*\)/cwd -> $folder.*#\1#p" | tr '\n' ' ')"
}

# Again, until nothing is found: a process may have started another one meanwhile.
for _ in 1 2 3 4 5 6 7 8 9 10; do
    look
    [ -n "${found# }" ] || break
    kill -KILL $found
done

# A killed PostgreSQL leaves its one small System V segment behind: key and id are in line 7.
if [ -f "$folder/data/postmaster.pid" ]; then
    set -- $(sed -n 7p "$folder/data/postmaster.pid")
    [ -z "${2-}" ] || ipcrm -m "$2"
fi

# A process in the middle of dying may still write.
for _ in 1 2 3 4 5; do
    rm -rf "$folder" && break
    sleep 0.1
done
