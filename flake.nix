# SPDX-License-Identifier: Unlicense
# nix develop: a shell with what the stubs, the tests and the book need. The url names a commit, so no flake.lock is needed to get the same
# packages again (this one is release-24.11 of 2024-12-16, a commit that Nix 2.26 locks too). To move on, put another commit there.
{
  description = "The experiments of 59 papers of the Schmidhuber lineage (1989-2025), re-created in numpy";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/48d12d5e70ee91fe8481378e540433a7303dbf6a";

  outputs =
    { self, nixpkgs }:
    {
      devShells = nixpkgs.lib.genAttrs [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ] (
        system:
        let
          pkgs = nixpkgs.legacyPackages.${system};
          # after pillow: what catalog/ and tests/ import, and pytest -n
          python = pkgs.python3.withPackages (
            p: with p; [ numpy matplotlib pillow pytest pytest-xdist hypothesis tqdm threadpoolctl filelock ]
          );
        in
        {
          default = pkgs.mkShell {
            packages = [ python pkgs.mdbook pkgs.ruff ];
            # as in the Makefile
            OPENBLAS_NUM_THREADS = "1";
            MPLBACKEND = "Agg";
          };
        }
      );
    };
}
