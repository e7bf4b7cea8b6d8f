#!/bin/sh
# A study in sixteen parts on a SLURM cluster: sbatch examples/cluster/slurm.sh STUDY RUNS
# A part that was stopped goes on where it was: give the same two arguments again.
#SBATCH --job-name=espalier
#SBATCH --array=1-16
#SBATCH --cpus-per-task=2
#SBATCH --mem=8G
#SBATCH --time=08:00:00
set -eu
study=$1
runs=$2
part=$runs/part-$SLURM_ARRAY_TASK_ID
if [ -f "$part/run.json" ]; then
  ./espalier resume "$part" --quiet
else
  ./espalier run "$study" --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" --out "$part" --quiet
fi
