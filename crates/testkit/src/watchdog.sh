# $1: the folder of the server. Runs as leader of a process group of its own, which the server joins.
# Standard input is a pipe whose other end only the test process holds, so its end, however it comes
# about, is the end of this file. Then everything in the group is killed and the folder removed.
trap '' HUP INT QUIT TERM
while read -r _; do :; done

# Sets $members to the live processes of our group and $children to those whose parent is in $known.
# A server may put its children into groups of their own, as PostgreSQL does.
look() {
    members= children=
    for stat in /proc/[0-9]*/stat; do
        { read -r line <"$stat"; } 2>/dev/null || continue
        pid=${line%% *}
        # After the name, which may contain anything: state, parent, process group.
        set -- ${line##*) }
        [ "$1" != Z ] || continue
        [ "$pid" != $$ ] || continue
        [ "$3" != $$ ] || members="$members $pid"
        case "$known " in *" $2 "*) children="$children $pid" ;; esac
    done
}

folder=$1
round=0
while [ $round -lt 50 ]; do
    known=
    look
    [ -n "$members" ] || break
    # Stopped processes start no new children while theirs are counted.
    kill -STOP $members
    known=$members
    for _ in 1 2 3; do
        look
        [ -n "$children" ] || break
        kill -STOP $children
        known="$known $children"
    done
    kill -KILL $known
    round=$((round + 1))
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
